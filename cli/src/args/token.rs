//! What can be typed after `genomdb token`.

use std::time::Duration;

use clap::{Args, Subcommand};
use genomdb_server::Role;

use super::Data;

/// `genomdb token`.
#[derive(Args, Clone, Debug)]
pub struct Token {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// The data folder.
    #[command(flatten)]
    pub data: Data,
}

/// The commands of `genomdb token`.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Makes a token and prints it, this once: afterwards nobody can find it out again.
    Create(Create),
    /// Shows the tokens that there are, without their secrets.
    List,
    /// Ends a token; on every node within two seconds.
    Revoke(Revoke),
}

/// `genomdb token create`.
#[derive(Args, Clone, Debug)]
pub struct Create {
    /// What it is called, and what lists of queries call who uses it.
    pub name: String,
    /// What it allows: reader asks questions, writer also loads, creates and drops, admin also stops the
    /// queries of others and makes tokens.
    #[arg(long, value_name = "reader|writer|admin")]
    pub role: Role,
    /// How long it is accepted, such as 30d, 12h, 15m or 90s; until it is revoked otherwise.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub expires: Option<Duration>,
}

/// `genomdb token revoke`.
#[derive(Args, Clone, Debug)]
pub struct Revoke {
    /// The name of the token, not the token itself.
    pub name: String,
}

/// A number of days, hours, minutes or seconds.
fn lifetime(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
    let seconds = UNITS.into_iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds).filter(|seconds| *seconds > 0)
    });
    let seconds = seconds.ok_or_else(|| "a time is a number and a unit: 30d, 12h, 15m or 90s".to_owned())?;
    Ok(Duration::from_secs(seconds))
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  genomdb token create alice --role admin                      on a data folder
  genomdb token create pipeline --role writer --expires 30d --connect 127.0.0.1:7400 > token
  curl -H \"Authorization: Bearer $(cat token)\" -d 'SHOW TABLES' https://localhost:7480/v1/query
  genomdb token list
  genomdb token revoke pipeline

The token stands on standard output alone, what is said about it on standard error.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit() {
        for (text, seconds) in [("30d", Some(2_592_000)), ("12h", Some(43_200)), ("15m", Some(900))] {
            assert_eq!(lifetime(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
        for text in ["", "d", "30", "0s", "-1d", "1w", "99999999999999999999d", "300000000000000d"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
