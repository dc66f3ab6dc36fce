//! Where a NATS server is, who we are to it, and what its stream keeps: checked before anything is connected.
//!
//! Owns the rule that only the loopback is reached without TLS. Secrets come from one file, which is read again for
//! each connection, so that a key may be replaced while the worker runs.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::ServerAddr;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::tls;

/// What a config says of a NATS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSettings {
    /// Addresses of one cluster, as `nats://10.0.0.1:4222`; without secrets.
    pub servers: Vec<String>,
    /// The stream's name.
    pub stream: String,
    /// The file that says who we are: what `nsc` calls credentials, an nkey's seed, `user:password`, or a token.
    pub credentials: Option<PathBuf>,
    /// Authorities that are believed besides the machine's, as PEM text.
    pub ca: Option<String>,
    /// How long the stream keeps messages, where it is made.
    pub max_age: Duration,
    /// The most that the stream keeps, where it is made; no bound but its age where absent.
    pub bytes_max: Option<u64>,
}

/// Why a NATS server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// An address makes no sense.
    #[error("{address:?} is no NATS server; write it as nats://host:4222")]
    Address {
        /// As written, without what stands before an `@`.
        address: String,
    },
    /// An address holds a secret.
    #[error(
        "an address of a NATS server holds a user or a token, which others can read; name a credentials file"
    )]
    Secret,
    /// No server is named.
    #[error("no NATS server is named; name at least one")]
    Absent,
    /// A stream cannot be called so.
    #[error("{stream:?} is no name for a stream; use letters, digits, - and _")]
    Stream {
        /// As written.
        stream: String,
    },
    /// The authorities are no certificates.
    #[error("the authorities for the NATS server are no certificates in PEM")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file with the credentials cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can read the file with the credentials.
    #[error("{} may be read by others; run chmod 600 on it first", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
    },
    /// The file with the credentials holds none.
    #[error("{} holds no credentials for NATS", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
}

/// Settings that make sense.
pub(super) struct Checked {
    pub(super) servers: Vec<ServerAddr>,
    pub(super) stream: String,
    pub(super) needs_tls: bool,
    pub(super) tls: ClientConfig,
    pub(super) max_age: Duration,
    pub(super) bytes_max: i64,
    credentials: Option<PathBuf>,
}

/// Who we are.
pub(super) enum Login {
    Creds(String),
    Seed(String),
    Password(String, String),
    Token(String),
}

impl Checked {
    pub(super) fn new(settings: &NatsSettings) -> Result<Checked, NatsError> {
        let servers = settings.servers.iter().map(|text| server(text)).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(NatsError::Absent);
        }
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if settings.stream.is_empty() || settings.stream.len() > 64 || !settings.stream.bytes().all(named) {
            return Err(NatsError::Stream { stream: settings.stream.clone() });
        }
        let mut roots = tls::machine_roots();
        for certificate in settings.ca.iter().flat_map(|text| CertificateDer::pem_slice_iter(text.as_bytes()))
        {
            let certificate = certificate.map_err(|error| NatsError::Authority(Box::new(error)))?;
            roots.add(certificate).map_err(|error| NatsError::Authority(Box::new(error)))?;
        }
        let is_local = |server: &ServerAddr| {
            !server.tls_required() && server.host().parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
        };
        let checked = Checked {
            // A name is whatever a resolver makes of it, so it is no loopback.
            needs_tls: !servers.iter().all(is_local),
            servers,
            stream: settings.stream.clone(),
            tls: tls::verified(roots),
            max_age: settings.max_age,
            bytes_max: settings.bytes_max.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            credentials: settings.credentials.clone(),
        };
        checked.login()?;
        Ok(checked)
    }

    /// Reads who we are.
    pub(super) fn login(&self) -> Result<Option<Login>, NatsError> {
        let Some(path) = &self.credentials else { return Ok(None) };
        let text = private_text(path)?;
        let line = text.trim();
        Ok(Some(match line.split_once(':') {
            _ if line.is_empty() => return Err(NatsError::Empty { path: path.clone() }),
            _ if line.starts_with("-----BEGIN") => Login::Creds(text),
            None if line.starts_with("SU") => Login::Seed(line.to_owned()),
            Some((user, password)) => Login::Password(user.to_owned(), password.to_owned()),
            None => Login::Token(line.to_owned()),
        }))
    }
}

fn server(text: &str) -> Result<ServerAddr, NatsError> {
    if text.contains('@') {
        return Err(NatsError::Secret);
    }
    let address: Option<ServerAddr> = text.parse().ok();
    let fits =
        |address: &ServerAddr| matches!(address.scheme(), "nats" | "tls") && !address.host().is_empty();
    address.filter(fits).ok_or_else(|| NatsError::Address { address: text.to_owned() })
}

/// The content of a file that others must not be able to read.
fn private_text(path: &Path) -> Result<String, NatsError> {
    let unusable = |source| NatsError::File { path: path.into(), source };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(path).map_err(unusable)?.permissions().mode() & 0o077 != 0 {
            return Err(NatsError::Exposed { path: path.into() });
        }
    }
    fs::read_to_string(path).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(servers: &[&str]) -> NatsSettings {
        NatsSettings {
            servers: servers.iter().map(|&server| server.to_owned()).collect(),
            stream: "venuekit".into(),
            credentials: None,
            ca: None,
            max_age: Duration::from_secs(60),
            bytes_max: None,
        }
    }

    #[test]
    fn only_the_loopback_goes_without_tls() {
        let needs_tls = |servers: &[&str]| Checked::new(&settings(servers)).expect("valid").needs_tls;
        assert!(!needs_tls(&["nats://127.0.0.1:4222", "nats://[::1]:4222", "127.0.0.1"]));
        for remote in ["nats://localhost:4222", "nats.example", "nats://10.0.0.1", "tls://127.0.0.1:4222"] {
            assert!(needs_tls(&[remote]), "{remote}");
            assert!(needs_tls(&["nats://127.0.0.1:4222", remote]), "{remote} beside the loopback");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_connected() {
        let error = |settings: &NatsSettings| Checked::new(settings).err().expect("refused");
        assert!(matches!(error(&settings(&[])), NatsError::Absent));
        for address in ["http://a:1", "ws://127.0.0.1:4222", "nats://", "nats://a:port"] {
            assert!(matches!(error(&settings(&[address])), NatsError::Address { .. }), "{address}");
        }
        let secret = error(&settings(&["nats://me:CANARY@127.0.0.1:4222"]));
        assert!(matches!(secret, NatsError::Secret) && !format!("{secret:?} {secret}").contains("CANARY"));
        for stream in ["", "a.b", "a b", "*"] {
            let settings = NatsSettings { stream: stream.into(), ..settings(&["127.0.0.1"]) };
            assert!(matches!(error(&settings), NatsError::Stream { .. }), "{stream:?}");
        }
        let no_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let authority = NatsSettings { ca: Some(no_pem.into()), ..settings(&["127.0.0.1"]) };
        assert!(matches!(error(&authority), NatsError::Authority(_)));
    }

    #[cfg(unix)]
    #[test]
    fn credentials_are_a_file_of_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("nats.creds");
        let check = |content: &str, mode| {
            fs::write(&path, content).expect("writes");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
            let settings = NatsSettings { credentials: Some(path.clone()), ..settings(&["127.0.0.1"]) };
            Checked::new(&settings).and_then(|checked| checked.login())
        };
        assert!(matches!(check("token", 0o640), Err(NatsError::Exposed { .. })));
        assert!(matches!(check(" \n", 0o600), Err(NatsError::Empty { .. })));
        assert!(matches!(check("SUAM\n", 0o600), Ok(Some(Login::Seed(seed))) if seed == "SUAM"));
        assert!(matches!(check("token\n", 0o600), Ok(Some(Login::Token(token))) if token == "token"));
        let password = check("me:pass:word\n", 0o600);
        assert!(
            matches!(password, Ok(Some(Login::Password(user, word))) if (&*user, &*word) == ("me", "pass:word"))
        );
        let creds = "-----BEGIN NATS USER JWT-----\na.b:c\n";
        assert!(matches!(check(creds, 0o600), Ok(Some(Login::Creds(text))) if text == creds));
        fs::remove_file(&path).expect("removes");
        let gone = NatsSettings { credentials: Some(path.clone()), ..settings(&["127.0.0.1"]) };
        assert!(matches!(Checked::new(&gone).err(), Some(NatsError::File { .. })));
    }
}
