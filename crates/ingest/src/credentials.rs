//! Credentials, which come from the environment alone: never from the config, never from a command line.
//!
//! `VENUEKIT_<VENUE>_API_KEY` and `_API_SECRET`, or the short `<VENUE>_KEY` and `_SECRET`; each also as `…_FILE`,
//! which names a file that holds the value, and each as a credential that systemd loaded: a file of that name in
//! `$CREDENTIALS_DIRECTORY`. A file that others can read is refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;

use venuekit_sign::{Credentials, Secret};

/// Why credentials cannot be had. It names variables and files, never what they hold.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Half a pair.
    #[error("{given} is set and {missing} is not; set both, or neither for public data only")]
    Half {
        /// What is there.
        given: String,
        /// What is not.
        missing: String,
    },
    /// Two variables say two things.
    #[error("{first} and {second} are both set; unset one of them")]
    Twice {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// The value is no text.
    #[error("{name} is empty or no UTF-8 text; set it again, or unset it for public data only")]
    Unusable {
        /// The variable.
        name: String,
    },
    /// The file that a variable names cannot be read.
    #[error("{name} names {}, which cannot be read", path.display())]
    File {
        /// The variable.
        name: String,
        /// What it names.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read the file that a variable names.
    #[error("{name} names {}, which others can read; run chmod 600 on it, and replace the key if it was exposed", path.display())]
    Exposed {
        /// The variable.
        name: String,
        /// What it names.
        path: PathBuf,
    },
}

/// Credentials by venue id.
pub type Accounts = BTreeMap<String, Credentials>;

/// The credentials of every venue that has any; `lookup` reads one variable.
///
/// **Errors**: [`CredentialsError`] when some are there and cannot be used.
pub fn accounts<'a>(
    venues: impl IntoIterator<Item = &'a str>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Accounts, CredentialsError> {
    let mut accounts = Accounts::new();
    for venue in venues {
        if let Some(found) = credentials(venue, lookup)? {
            accounts.insert(venue.to_owned(), found);
        }
    }
    Ok(accounts)
}

/// The credentials of a venue, if the environment holds any; `lookup` reads one variable.
///
/// **Errors**: [`CredentialsError`] when they are there and cannot be used.
pub fn credentials(
    venue: &str,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Credentials>, CredentialsError> {
    let venue = venue.to_ascii_uppercase();
    let part = |part: &str| find(&names(&venue, part), lookup);
    match (part("KEY")?, part("SECRET")?) {
        (None, None) => Ok(None),
        (Some((_, key)), Some((_, secret))) => {
            Ok(Some(Credentials::new(String::from_utf8_lossy(key.expose()).into_owned(), secret)))
        }
        (Some((given, _)), None) => {
            Err(CredentialsError::Half { given, missing: format!("VENUEKIT_{venue}_API_SECRET") })
        }
        (None, Some((given, _))) => {
            Err(CredentialsError::Half { given, missing: format!("VENUEKIT_{venue}_API_KEY") })
        }
    }
}

/// The files that keys of these venues stand in, whether or not they are there; `lookup` reads one variable.
pub fn key_files<'a>(
    venues: impl IntoIterator<Item = &'a str>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<PathBuf> {
    let loaded = lookup("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let mut files = Vec::new();
    for venue in venues.into_iter().map(str::to_ascii_uppercase) {
        for name in ["KEY", "SECRET"].into_iter().flat_map(|part| names(&venue, part)) {
            files.extend(lookup(&format!("{name}_FILE")).map(PathBuf::from));
            files.extend(loaded.as_ref().map(|folder| folder.join(name)));
        }
    }
    files
}

/// The variables that a part of a key may stand in.
fn names(venue: &str, part: &str) -> [String; 2] {
    [format!("VENUEKIT_{venue}_API_{part}"), format!("{venue}_{part}")]
}

/// The one value that is set under any of the names, and which.
fn find(
    names: &[String],
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<(String, Secret)>, CredentialsError> {
    let mut found: Option<(String, Secret)> = None;
    let mut take = |name: String, value: Vec<u8>| -> Result<(), CredentialsError> {
        if let Some((first, _)) = found.take() {
            return Err(CredentialsError::Twice { first, second: name });
        }
        found = Some((name.clone(), text(value).ok_or(CredentialsError::Unusable { name })?));
        Ok(())
    };
    for name in names {
        if let Some(value) = lookup(name) {
            take(name.clone(), value.into_encoded_bytes())?;
        }
        let by_file = format!("{name}_FILE");
        if let Some(path) = lookup(&by_file) {
            let value = private(&by_file, PathBuf::from(path))?;
            take(by_file, value)?;
        }
        if let Some(loaded) = lookup("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(name))
            && loaded.exists()
        {
            let value = private("CREDENTIALS_DIRECTORY", loaded)?;
            take(format!("the credential {name}"), value)?;
        }
    }
    Ok(found)
}

/// Reads a file that is for its owner alone.
fn private(name: &str, path: PathBuf) -> Result<Vec<u8>, CredentialsError> {
    let read = |path: &PathBuf| {
        let mut file = std::fs::File::open(path)?;
        let meta = file.metadata()?;
        let mut value = Vec::new();
        file.read_to_end(&mut value)?;
        Ok((is_exposed(&meta), value))
    };
    match read(&path) {
        Ok((false, value)) => Ok(value),
        Ok((true, _)) => Err(CredentialsError::Exposed { name: name.to_owned(), path }),
        Err(source) => Err(CredentialsError::File { name: name.to_owned(), path, source }),
    }
}

#[cfg(unix)]
fn is_exposed(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o077 != 0
}

/// Where files have no mode, whoever runs this has to know.
#[cfg(not(unix))]
fn is_exposed(_: &std::fs::Metadata) -> bool {
    false
}

/// A value without the line feed that editors leave at the end of a file.
fn text(mut bytes: Vec<u8>) -> Option<Secret> {
    while bytes.last().is_some_and(u8::is_ascii_whitespace) {
        bytes.pop();
    }
    let usable = !bytes.is_empty() && std::str::from_utf8(&bytes).is_ok();
    let secret = Secret::from(bytes);
    usable.then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(venue: &str, vars: &[(&str, &str)]) -> Result<Option<(String, Vec<u8>)>, String> {
        let lookup = |name: &str| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        match credentials(venue, &lookup) {
            Ok(found) => Ok(found.map(|c| (c.key.clone(), c.secret.expose().to_vec()))),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn every_spelling_is_read_once() {
        let pair = Ok(Some(("k".to_owned(), b"s".to_vec())));
        assert_eq!(read("doex", &[]), Ok(None));
        assert_eq!(read("doex", &[("VENUEKIT_DOEX_API_KEY", "k"), ("VENUEKIT_DOEX_API_SECRET", "s")]), pair);
        assert_eq!(read("duedex", &[("DUEDEX_KEY", "k"), ("VENUEKIT_DUEDEX_API_SECRET", "s")]), pair);
        assert_eq!(read("doex", &[("DUEDEX_KEY", "k"), ("DUEDEX_SECRET", "s")]), Ok(None));
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        std::fs::write(file.path(), "s\r\n").expect("writes");
        let path = file.path().display().to_string();
        assert_eq!(read("duedex", &[("DUEDEX_KEY", "k"), ("DUEDEX_SECRET_FILE", &path)]), pair);
    }

    #[test]
    fn what_cannot_be_used_is_named_and_never_quoted() {
        let check = |vars: &[(&str, &str)], parts: &[&str]| {
            let error = read("duedex", vars).expect_err("unusable");
            for part in parts {
                assert!(error.contains(part), "{error:?} without {part:?}");
            }
            assert!(!error.contains("canary"), "{error}");
        };
        check(&[("DUEDEX_KEY", "canary")], &["DUEDEX_KEY", "VENUEKIT_DUEDEX_API_SECRET"]);
        check(&[("DUEDEX_SECRET", "canary")], &["DUEDEX_SECRET", "VENUEKIT_DUEDEX_API_KEY"]);
        check(
            &[("DUEDEX_KEY", "canary"), ("VENUEKIT_DUEDEX_API_KEY", "canary")],
            &["DUEDEX_KEY", "VENUEKIT_DUEDEX_API_KEY", "unset one"],
        );
        check(&[("DUEDEX_KEY", " ")], &["DUEDEX_KEY", "empty"]);
        check(&[("DUEDEX_KEY_FILE", "/nowhere/at/all")], &["DUEDEX_KEY_FILE", "/nowhere/at/all"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused_and_one_that_systemd_loaded_is_found() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a scratch folder");
        let write = |name: &str, value: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, value).expect("writes");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("sets the mode");
            path.display().to_string()
        };
        let open = write("open", "canary", 0o640);
        let error = read("doex", &[("DOEX_KEY_FILE", &open)]).expect_err("others can read it");
        assert!(error.contains(&open) && error.contains("chmod 600") && !error.contains("canary"), "{error}");
        write("VENUEKIT_DOEX_API_KEY", "k", 0o400);
        write("VENUEKIT_DOEX_API_SECRET", "s\n", 0o400);
        let loaded = [("CREDENTIALS_DIRECTORY", folder.path().to_str().expect("a name in UTF-8"))];
        assert_eq!(read("doex", &loaded), Ok(Some(("k".to_owned(), b"s".to_vec()))));
        assert_eq!(read("duedex", &loaded), Ok(None));
    }
}
