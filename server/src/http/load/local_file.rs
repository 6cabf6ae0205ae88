//! Files of the server that a client may name: those in folders that whoever runs the server allowed.

use std::path::{Path, PathBuf};

use crate::http::{App, problem::Problem};

/// The file that a path means, without links and dots.
///
/// Of a path that is not allowed it is not said whether there is something.
pub(super) async fn find(app: &App, path: &str) -> Result<PathBuf, Problem> {
    let folders = app.node.load_folders().to_vec();
    let named = PathBuf::from(path);
    let found = tokio::task::spawn_blocking(move || within(&folders, &named)).await;
    found.map_err(|_| Problem::internal("the path could not be looked at"))?.ok_or_else(|| {
        let detail = format!("`{}` is no file in a folder that loads are allowed from", path.escape_debug());
        Problem::forbidden(detail).with_hint("genomdb serve --allow-load-from DIR")
    })
}

/// The regular file that `path` means, if it lies in one of the folders.
fn within(folders: &[PathBuf], path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() {
        return None;
    }
    let path = path.canonicalize().ok()?;
    let mut allowed = folders.iter().filter_map(|folder| folder.canonicalize().ok());
    (allowed.any(|folder| path.starts_with(folder)) && path.metadata().ok()?.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_and_dots_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let (open, secret) = (folder.path().join("open"), folder.path().join("openly"));
        for made in [&open, &secret] {
            fs::create_dir(made).unwrap();
        }
        fs::write(open.join("a.sam"), "").unwrap();
        fs::write(secret.join("b.sam"), "").unwrap();
        symlink(secret.join("b.sam"), open.join("link.sam")).unwrap();
        symlink(open.join("a.sam"), secret.join("in.sam")).unwrap();
        symlink(&secret, open.join("folder")).unwrap();
        let allowed = [open.clone()];
        let found = |path: &Path| within(&allowed, path);
        let file = open.join("a.sam").canonicalize().unwrap();
        assert_eq!(found(&open.join("a.sam")), Some(file.clone()));
        assert_eq!(found(&open.join("../open/./a.sam")), Some(file.clone()));
        assert_eq!(found(&secret.join("in.sam")), Some(file), "it is what it leads to");
        for path in ["link.sam", "folder/b.sam", "../openly/b.sam", "absent.sam", "", "../open"] {
            assert_eq!(found(&open.join(path)), None, "{path}");
        }
        assert_eq!(found(Path::new("a.sam")), None);
        assert_eq!(within(&[], &open.join("a.sam")), None);
    }
}
