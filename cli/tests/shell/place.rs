//! Where the shells of these tests find their data, and a home of their own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command as Process,
    sync::Arc,
};

use genomdb_server::{Config, Node, http::Server};
use pty_process::blocking::Command;
use tempfile::TempDir;

use crate::terminal::Terminal;

pub(crate) const BAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/NA12878.chr11_chr20.bam");

/// A folder with the table `reads`, and perhaps a server on it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    server: Option<Served>,
}

struct Served {
    server: Option<Server>,
    node: Option<Arc<Node>>,
    address: String,
}

impl Place {
    /// A data folder.
    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let status = Process::new(env!("CARGO_BIN_EXE_genomdb"))
            .args(["load", "--quiet", "--data", data.to_str().unwrap(), BAM])
            .env_remove("GENOMDB_CONNECT")
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder, server: None }
    }

    /// The same behind a server.
    pub(crate) fn server() -> Self {
        let mut place = Self::folder();
        let node = Arc::new(Node::open(&place.folder.path().join("data"), &Config::default()).unwrap());
        let server = Server::start(Arc::clone(&node), TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let address = format!("http://{}", server.address());
        place.server = Some(Served { server: Some(server), node: Some(node), address });
        place
    }

    /// The address of a server that is not there.
    pub(crate) fn nowhere() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        Self { folder, server: Some(Served { server: None, node: None, address }) }
    }

    /// One of each, for tests of what must be alike.
    pub(crate) fn both() -> [Self; 2] {
        [Self::folder(), Self::server()]
    }

    pub(crate) fn is_server(&self) -> bool {
        self.server.is_some()
    }

    /// The node of the server.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.server.as_ref()?.node.as_deref()
    }

    /// A file in the home of the shell.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A shell at a terminal, which has shown its first prompt.
    pub(crate) fn shell(&self, arguments: &[&str]) -> Terminal {
        self.shell_with(&[], arguments)
    }

    /// The same, with more in its environment.
    pub(crate) fn shell_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Terminal {
        let terminal = self.shell_of((24, 100), environment, arguments);
        terminal.wait_for_prompt_after("gql>");
        terminal
    }

    /// The same at a tall terminal, for long answers.
    pub(crate) fn tall_shell(&self, arguments: &[&str]) -> Terminal {
        let terminal = self.shell_of((75, 120), &[], arguments);
        terminal.wait_for_prompt_after("gql>");
        terminal
    }

    pub(crate) fn shell_of(
        &self,
        (rows, columns): (u16, u16),
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Terminal {
        let home = self.folder.path().join("home");
        let data = self.folder.path().join("data");
        let reach = match &self.server {
            Some(Served { address, .. }) => ["--host".to_owned(), address.clone()],
            None => ["--data".to_owned(), data.to_str().unwrap().to_owned()],
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_gql"))
            .args(reach)
            .args(arguments)
            .current_dir(&home)
            .env("HOME", &home)
            .env("TERM", "xterm-256color")
            .env("PAGER", "cat")
            .env("EDITOR", "true");
        let ours = ["GENOMDB_", "XDG_", "GQL_", "NO_COLOR", "VISUAL"];
        for (name, _) in std::env::vars().filter(|(name, _)| ours.iter().any(|ours| name.starts_with(ours))) {
            command = command.env_remove(name);
        }
        command = command.envs(environment.iter().copied());
        Terminal::start(command, rows, columns)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(server) = self.server.as_mut().and_then(|served| served.server.take()) {
            server.stop();
        }
    }
}

/// What a file holds, once it is there.
pub(crate) fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
