//! Shared folders: there, readable by us, and not empty.
//!
//! Looks at the top of each folder alone: how many releases are below is what `jackdaw status`
//! tells of the running server.

use std::fs;

use super::finding::Finding;
use crate::config::Folder;

/// The top of a `[folder]`.
pub fn folder(folder: &Folder) -> Finding {
    let subject = format!("folder \"{}\"", folder.title);
    let here = folder.path.display();
    // An entry that cannot be read is there nevertheless.
    match fs::read_dir(&folder.path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Finding::ok(&subject, format!("{here} can be read")),
        Ok(false) => Finding::warn(
            &subject,
            format!("{here} is empty, so nothing is shared"),
            "check that its disk is mounted here",
        ),
        Err(error) => Finding::fail(
            &subject,
            format!("cannot read {here}: {error}"),
            "correct its path, mount its disk, or let jackdaw's user read it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::release::Category;

    #[test]
    fn a_folder_is_there_or_empty_or_missing() {
        let root = std::env::temp_dir().join(format!(
            "jackdaw-folders-{}",
            crate::secret::random_hex::<8>()
        ));
        let check = |expected: Level, words: &str| {
            let found = super::folder(&Folder {
                title: "Films".into(),
                path: root.clone(),
                kind: Category::Movies,
            });
            assert_eq!(found.level, expected, "{found}");
            assert_eq!(found.subject, "folder \"Films\"");
            assert!(found.what.contains(words), "{found}");
        };
        check(Level::Fail, "cannot read");
        fs::create_dir(&root).unwrap();
        check(Level::Warn, "is empty");
        fs::write(root.join("x"), "").unwrap();
        check(Level::Ok, "can be read");
        fs::remove_dir_all(&root).unwrap();
        fs::write(&root, "").unwrap();
        check(Level::Fail, "cannot read");
        fs::remove_file(&root).unwrap();
    }
}
