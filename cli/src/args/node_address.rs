//! The address of a node, as it is typed.

/// Reads the address of a node, `HOST:PORT`; nothing is as good as none, in a variable of the environment.
///
/// # Errors
///
/// In words, if it is none: what was probably meant.
pub fn node_address(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains("://") {
        return Err(
            "this is where a server answers HTTP, which `--host` takes; nodes are HOST:PORT, such as \
                    127.0.0.1:7400"
                .to_owned(),
        );
    }
    let port =
        text.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    match port {
        None if !text.is_empty() => Err("a node is HOST:PORT, such as 127.0.0.1:7400".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_of_a_node_is_told_at_once() {
        for right in ["127.0.0.1:7400", "node1:7400", "[::1]:7400", " a:1 ", ""] {
            assert_eq!(node_address(right).as_deref(), Ok(right.trim()));
        }
        assert!(node_address("http://127.0.0.1:7480").unwrap_err().contains("--host"));
        for wrong in ["node1", "node1:", "node1:http", ":7400", "node1:70000"] {
            assert!(node_address(wrong).unwrap_err().contains("HOST:PORT"), "{wrong}");
        }
    }
}
