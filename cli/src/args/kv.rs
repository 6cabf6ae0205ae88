//! What can be typed after `genomdb kv`.

use clap::{Args, Subcommand};

use super::Data;

/// `genomdb kv`.
#[derive(Args, Debug)]
pub struct Kv {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// The data folder.
    #[command(flatten)]
    pub data: Data,
}

/// The commands of `genomdb kv`. Keys are typed as they are shown: printable bytes as they are, others as
/// `\x1F`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Writes the value of a key to standard output; code 1 without one.
    Get(Key),
    /// Stores a value.
    Put(Put),
    /// Removes a key, its value and its deque.
    Delete(Key),
    /// Lists keys and values in order, a line each.
    Scan(Scan),
    /// Adds to a counter, and prints the sum.
    Add(Add),
    /// Puts an element at an end of a deque, and prints its length.
    Push(Push),
    /// Takes an element of a deque and writes it to standard output; code 1 if there is none.
    Pop(Pop),
    /// Lists the elements of a deque from front to back, a line each; takes nothing.
    Deque(Key),
}

/// A command about one key.
#[derive(Args, Debug)]
pub struct Key {
    /// The key.
    pub key: String,
}

/// `genomdb kv put`.
#[derive(Args, Debug)]
pub struct Put {
    /// The key.
    pub key: String,
    /// The value; standard input without it.
    pub value: Option<String>,
    /// The value is gone after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub ttl: Option<u64>,
    /// Only if the key has no value; code 1 if it has.
    #[arg(long)]
    pub if_absent: bool,
}

/// `genomdb kv scan`.
#[derive(Args, Debug)]
pub struct Scan {
    /// Keys that begin so; all without it.
    #[arg(default_value = "")]
    pub prefix: String,
    /// Entries at most.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Without values.
    #[arg(long)]
    pub keys_only: bool,
}

/// `genomdb kv add`.
#[derive(Args, Debug)]
pub struct Add {
    /// The key.
    pub key: String,
    /// What is added.
    #[arg(allow_negative_numbers = true)]
    pub delta: i64,
}

/// `genomdb kv push`.
#[derive(Args, Debug)]
pub struct Push {
    /// The key.
    pub key: String,
    /// The element; standard input without it.
    pub value: Option<String>,
    /// At the front instead of the back.
    #[arg(long)]
    pub front: bool,
}

/// `genomdb kv pop`.
#[derive(Args, Debug)]
pub struct Pop {
    /// The key.
    pub key: String,
    /// From the back instead of the front.
    #[arg(long)]
    pub back: bool,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  genomdb kv put config/owner me
  genomdb kv get config/owner
  genomdb kv put lock mine --ttl 60 --if-absent && echo mine
  genomdb kv scan config/
  genomdb kv add visits 1
  genomdb kv push jobs 'first job' && genomdb kv pop jobs
  genomdb kv get config/owner --connect 127.0.0.1:7400

Exit codes: 0 done, 1 there is no such value, or a condition does not hold, 2 wrong usage, 3 the folder cannot
be opened or the cluster does not answer.";
