//! Which file is read: `--config FILE`, else `$JACKDAW_CONFIG`, else `./jackdaw.ini`, else
//! `/etc/jackdaw/jackdaw.ini`, else none (built-in defaults).
//!
//! A file that somebody named must exist. The two usual places may be empty; but a file there
//! that cannot be read is an error, never silently the next place.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::problem::{Complaint, ConfigError};
use super::reader::MAX_FILE_BYTES;
use super::secrets::Outside;
use super::{Config, parse};

/// Names the file, for services and containers.
pub const ENVIRONMENT_VARIABLE: &str = "JACKDAW_CONFIG";

/// Where a file is looked for that nobody named.
pub const USUAL_PLACES: [&str; 2] = ["./jackdaw.ini", "/etc/jackdaw/jackdaw.ini"];

/// Reads the configuration that applies; `named` is what `--config` says.
pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
    let outside = Outside::real();
    let places: Vec<PathBuf> = USUAL_PLACES.iter().map(PathBuf::from).collect();
    load_from(
        named,
        (outside.env)(ENVIRONMENT_VARIABLE),
        &places,
        &outside,
    )
}

fn load_from(
    named: Option<&Path>,
    variable: Option<OsString>,
    usual_places: &[PathBuf],
    outside: &Outside<'_>,
) -> Result<Config, ConfigError> {
    let variable = variable
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let named = match (named, &variable) {
        (Some(path), _) => Some((path, "named by --config")),
        (None, Some(path)) => Some((path.as_path(), "named by $JACKDAW_CONFIG")),
        (None, None) => None,
    };
    if let Some((path, by)) = named {
        let bytes = read_bounded(path).map_err(|error| unreadable(path, &error, by))?;
        return parse(path, &bytes, outside);
    }
    for path in usual_places {
        match read_bounded(path) {
            Ok(bytes) => return parse(path, &bytes, outside),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(unreadable(path, &error, "found in a usual place")),
        }
    }
    Ok(Config::built_in())
}

/// The file, one byte beyond the limit at most: the reader says that it is too large.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error, by: &str) -> ConfigError {
    ConfigError::whole_file(
        path,
        Complaint::new(
            format!("cannot be read ({by}): {error}"),
            "check the path and its permissions",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let name = format!("jackdaw-{}", crate::secret::random_hex::<8>());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn file(&self, name: &str, title: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, format!("[jackdaw]\nname = {title}\n")).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn load_name(
        named: Option<&Path>,
        variable: Option<&Path>,
        usual: &[PathBuf],
    ) -> Result<(String, Option<PathBuf>), String> {
        let variable = variable.map(|path| path.as_os_str().to_owned());
        load_from(named, variable, usual, &Outside::real())
            .map(|config| (config.name, config.file))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_place_in_order_wins() {
        let folder = Folder::new();
        let (a, b) = (folder.file("a", "a"), folder.file("b", "b"));
        let usual = [folder.file("c", "c"), folder.file("d", "d")];
        let check = |named, variable, usual: &[PathBuf], expected: &str, file: Option<&PathBuf>| {
            let found = load_name(named, variable, usual);
            assert_eq!(found, Ok((expected.to_owned(), file.cloned())));
        };
        check(Some(a.as_path()), Some(b.as_path()), &usual, "a", Some(&a));
        check(None, Some(b.as_path()), &usual, "b", Some(&b));
        check(None, Some(Path::new("")), &usual, "c", Some(&usual[0]));
        check(None, None, &usual, "c", Some(&usual[0]));
        std::fs::remove_file(&usual[0]).unwrap();
        check(None, None, &usual, "d", Some(&usual[1]));
        std::fs::remove_file(&usual[1]).unwrap();
        check(None, None, &usual, "jackdaw", None);
    }

    #[test]
    fn a_named_file_must_exist() {
        let folder = Folder::new();
        let usual = [folder.file("c", "c")];
        let none = folder.0.join("none");
        let error = load_name(Some(&none), None, &usual).unwrap_err();
        let expected = format!("{}: cannot be read (named by --config): ", none.display());
        assert!(error.starts_with(&expected), "{error}");
        let error = load_name(None, Some(&none), &usual).unwrap_err();
        assert!(error.contains("(named by $JACKDAW_CONFIG)"), "{error}");
    }

    #[test]
    fn a_usual_place_that_cannot_be_read_is_not_passed_over() {
        let folder = Folder::new();
        let usual = [folder.0.clone(), folder.file("d", "d")];
        let error = load_name(None, None, &usual).unwrap_err();
        assert!(error.contains("found in a usual place"), "{error}");
    }

    #[test]
    fn an_endless_file_is_read_with_a_bound() {
        let error = load_name(Some(Path::new("/dev/zero")), None, &[]).unwrap_err();
        assert!(error.contains("is larger than 1048576 bytes"), "{error}");
    }
}
