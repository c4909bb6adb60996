//! Secrets that are mounted as files, and reading the small files that settings name.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use super::config::{Problems, Secret};

/// Largest file that is read: a bundle of every public authority is a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A secret that was given by itself, or what is in the file that was named instead; `None` where it was neither, or wrong.
///
/// `settings` are the names of both, `is_given` says whether the first one is set at all, and `secret` what became of it.
pub(crate) fn secret_or_file(
    settings: [&'static str; 2],
    is_given: bool,
    secret: Option<Secret>,
    file: Option<PathBuf>,
    problems: &mut Problems,
) -> Option<Secret> {
    match file {
        Some(_) if is_given => {
            problems.add(&settings, "are given both; give one of them");
            None
        }
        Some(file) => {
            let read = read_small_file(&file).and_then(|text| secret_of(&text));
            read.map_err(|wrong| problems.add(&settings[1..], format!("{} {wrong}", shown(&file)))).ok()
        }
        None => secret,
    }
}

/// What is in a file that a setting or an argument names. Neither waits nor reads without an end, whatever it turns out to be.
///
/// # Errors
/// What is wrong with it and what would be right, after its name.
pub fn read_small_file(file: &Path) -> Result<Vec<u8>, String> {
    match fs::metadata(file) {
        Ok(found) if found.is_dir() => return Err("is a folder; give the path of a file".to_owned()),
        Ok(found) if !found.is_file() => return Err("is a pipe or a device; give the path of a file".to_owned()),
        Ok(_) => {}
        Err(error) => return Err(format!("can't be read: {error}; give the path of a file that is there")),
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("can't be read: {error}; give a file that this user may read"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is too large; give a file of at most {FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

/// The name of a file as a message repeats it.
pub(crate) fn shown(file: &Path) -> String {
    format!("{:?}", file.display().to_string())
}

/// The secret in a mounted file: its text, without the line break that editors leave at the end.
fn secret_of(text: &[u8]) -> Result<Secret, String> {
    let text =
        std::str::from_utf8(text).map_err(|_| "is not UTF-8 text; give a file with the secret alone".to_owned())?;
    let secret = text.strip_suffix('\n').unwrap_or(text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err("holds no secret, or more than one line; give a file with the secret alone".to_owned());
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_or_never_begins_is_not_read() {
        for (path, told) in [("/dev/zero", "pipe or a device"), ("/", "folder"), ("/nowhere/at/all", "can't be read")] {
            let refused = read_small_file(Path::new(path)).unwrap_err();
            assert!(refused.contains(told), "{path} {refused}");
        }
        let large = std::env::temp_dir().join(format!("tally-large-{}", std::process::id()));
        File::create(&large).and_then(|file| file.set_len(FILE_BYTES_MAX + 1)).unwrap();
        let refused = read_small_file(&large).unwrap_err();
        fs::remove_file(&large).unwrap();
        assert!(refused.contains("too large"), "{refused}");
    }

    #[test]
    fn a_file_gives_the_secret_without_the_line_break_at_its_end() {
        for text in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(secret_of(text.as_bytes()).unwrap().reveal(), "hunter2");
        }
        for bad in ["", "\n", "hunter2\nhunter3"] {
            let told = secret_of(bad.as_bytes()).unwrap_err();
            assert!(told.contains("more than one line") && !told.contains("hunter"), "{told}");
        }
    }
}
