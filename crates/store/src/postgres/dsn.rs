//! Where a database server is, and with which password: from a text, or from libpq's own variables and files.
//!
//! Owns the rule that only a unix socket and the loopback are reached without TLS. It never shows a password, and
//! reads the environment only through the function it is given.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::tls;

/// Our schema; then the server's side of the promise that nobody holds up the others: what takes longer is given up.
/// Every join of ours looks up keys, which the planner does not believe of a table that nobody has analysed yet.
const SERVER_LIMITS: &str = "-c search_path=venuekit -c statement_timeout=5000 \
    -c idle_in_transaction_session_timeout=5000 -c enable_hashjoin=off -c enable_mergejoin=off";

/// How long one attempt to connect may take.
const CONNECT_FOR: Duration = Duration::from_secs(5);

/// A database server, a user and a database.
///
/// Its text may hold a password: it belongs into a file or the environment, and on no command line.
#[derive(Clone)]
pub struct Dsn {
    pub(super) config: Config,
    /// Absent where the way is local.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// Why a server cannot be named.
#[derive(Debug, thiserror::Error)]
pub enum DsnError {
    /// The text makes no sense.
    #[error("not a database server; write it as postgres://user@host/database or as host=… user=… dbname=…")]
    Syntax(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing says where the server is.
    #[error("no database server is named; set VENUEKIT_CLUSTER_DSN_FILE, or PGHOST and its companions")]
    Absent,
    /// Rows and passwords would cross a network in the clear.
    #[error(
        "{host} is neither a unix socket nor a loopback address, and TLS is switched off; leave sslmode out"
    )]
    Plain {
        /// The first such host.
        host: String,
    },
    /// A variable holds what it cannot.
    #[error("{name} is not {expected}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A file that is named cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file with passwords can be read by others.
    #[error("{} may be read by others; run chmod 600 on it first", path.display())]
    OpenPasswords {
        /// Which.
        path: PathBuf,
    },
}

impl Dsn {
    /// Reads a text, as `postgres://user:password@host:5432/database` or `host=/run/postgresql user=venuekit`.
    ///
    /// **Errors**: [`DsnError`].
    pub fn parse(text: &str) -> Result<Dsn, DsnError> {
        let config: Config = text.trim().parse().map_err(|error| DsnError::Syntax(Box::new(error)))?;
        Dsn::new(config, None)
    }

    /// Reads what `read` knows of `VENUEKIT_CLUSTER_DSN_FILE`, else of libpq's variables: `PGHOST`, `PGPORT`, `PGUSER`,
    /// `PGPASSWORD`, `PGPASSFILE`, `PGDATABASE`, `PGSSLMODE` and `PGSSLROOTCERT`.
    ///
    /// **Errors**: [`DsnError`]; `Absent` where neither says where the server is.
    pub fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Dsn, DsnError> {
        let roots = read("PGSSLROOTCERT").map(PathBuf::from);
        if let Some(path) = read("VENUEKIT_CLUSTER_DSN_FILE").map(PathBuf::from) {
            let text = private_text(&path)?;
            let config = text.trim().parse().map_err(|error| DsnError::Syntax(Box::new(error)))?;
            return Dsn::new(config, roots.as_deref());
        }
        let host = read("PGHOST").ok_or(DsnError::Absent)?;
        let mut config = Config::new();
        config.host(&host);
        if let Some(port) = read("PGPORT") {
            let expected = "a port number";
            config.port(port.parse().map_err(|_| DsnError::Variable { name: "PGPORT", expected })?);
        }
        if let Some(user) = read("PGUSER") {
            config.user(user);
        }
        if let Some(name) = read("PGDATABASE") {
            config.dbname(name);
        }
        config.ssl_mode(match read("PGSSLMODE").as_deref() {
            None | Some("prefer" | "allow") => SslMode::Prefer,
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(_) => {
                return Err(DsnError::Variable { name: "PGSSLMODE", expected: "one of libpq's modes" });
            }
        });
        if let Some(password) = read("PGPASSWORD") {
            config.password(password);
        } else if let Some(path) = read("PGPASSFILE").map(PathBuf::from) {
            let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
            let user = config.get_user().unwrap_or_default().to_owned();
            let name = config.get_dbname().unwrap_or(&user).to_owned();
            // Where a unix socket lies, libpq looks for `localhost`.
            let host = if host.starts_with('/') { "localhost" } else { &host };
            if let Some(password) = password_of(&private_text(&path)?, [host, &port, &name, &user]) {
                config.password(password);
            }
        }
        Dsn::new(config, roots.as_deref())
    }

    fn new(mut config: Config, roots: Option<&Path>) -> Result<Dsn, DsnError> {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(DsnError::Absent);
        }
        let options = match config.get_options() {
            Some(options) => format!("{options} {SERVER_LIMITS}"),
            None => SERVER_LIMITS.to_owned(),
        };
        config
            .options(options)
            .application_name("venuekit")
            .connect_timeout(CONNECT_FOR)
            .tcp_user_timeout(CONNECT_FOR)
            .keepalives_idle(CONNECT_FOR);
        let remote = first_remote(&config);
        let tls = match remote {
            None => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            Some(host) if config.get_ssl_mode() == SslMode::Disable => return Err(DsnError::Plain { host }),
            Some(_) => {
                config.ssl_mode(SslMode::Require);
                Some(verified(roots)?)
            }
        };
        Ok(Dsn { config, tls })
    }
}

impl std::fmt::Debug for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dsn")
            .field("hosts", &self.config.get_hosts())
            .field("user", &self.config.get_user())
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for Dsn {
    /// Where it is, for a message; without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            match host {
                Host::Tcp(host) => write!(f, "{separator}{host}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{separator}{}", path.display())?,
            }
        }
        Ok(())
    }
}

/// The first host that a network lies before. A name is one, since anybody may answer for it.
fn first_remote(config: &Config) -> Option<String> {
    // Where addresses are given, names only say whose certificate is wanted.
    if !config.get_hostaddrs().is_empty() {
        return config.get_hostaddrs().iter().find(|addr| !addr.is_loopback()).map(IpAddr::to_string);
    }
    config.get_hosts().iter().find_map(|host| match host {
        Host::Tcp(name) if name.parse::<IpAddr>().is_ok_and(|addr| addr.is_loopback()) => None,
        Host::Tcp(name) => Some(name.clone()),
        #[cfg(unix)]
        Host::Unix(_) => None,
    })
}

/// TLS that believes the system's authorities, or those of one file alone.
fn verified(roots: Option<&Path>) -> Result<Arc<ClientConfig>, DsnError> {
    let Some(path) = roots else { return Ok(Arc::new(tls::verified(tls::machine_roots()))) };
    let unusable = |source| DsnError::File { path: path.into(), source };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(Box::new(error)))? {
        let certificate = certificate.map_err(|error| unusable(Box::new(error)))?;
        store.add(certificate).map_err(|error| unusable(Box::new(error)))?;
    }
    Ok(Arc::new(tls::verified(store)))
}

/// The content of a file with a secret, which others must not be able to read.
fn private_text(path: &Path) -> Result<String, DsnError> {
    let unusable = |error| DsnError::File { path: path.into(), source: Box::new(error) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(DsnError::OpenPasswords { path: path.into() });
        }
    }
    fs::read_to_string(path).map_err(unusable)
}

/// The password of the first line that fits host, port, database and user; `*` fits anything.
fn password_of(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, named) = fields.split_last()?;
        let fits = named.len() == wanted.len()
            && named.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        fits.then(|| password.clone())
    })
}

/// Fields between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == ':' && fields.len() < 5 {
            fields.push(String::new());
            continue;
        }
        let field = fields.last_mut().expect("there is always one");
        match character {
            '\\' => field.extend(characters.next()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_and_the_loopback_go_without_tls() {
        let tls = |text: &str| Dsn::parse(text).map(|dsn| dsn.tls.is_some());
        for text in ["postgres://a@127.0.0.1/b", "host=/run/postgresql", "host=::1 sslmode=disable"] {
            assert!(matches!(tls(text), Ok(false)), "{text}");
        }
        // A name is whatever a resolver makes of it, and `hostaddr` is where it really goes.
        for text in
            ["host=localhost", "host=db.example", "host=127.0.0.1,10.0.0.1", "host=a hostaddr=10.0.0.1"]
        {
            assert!(matches!(tls(text), Ok(true)), "{text}");
            let plain = tls(&format!("{text} sslmode=disable"));
            assert!(matches!(plain, Err(DsnError::Plain { .. })), "{text}");
        }
        assert!(matches!(tls("host=localhost hostaddr=127.0.0.1"), Ok(false)));
        assert!(matches!(tls("postgres://:x"), Err(DsnError::Syntax(_))));
        assert!(matches!(tls("user=a"), Err(DsnError::Absent)));
    }

    #[test]
    fn a_password_is_never_shown() {
        let dsn = Dsn::parse("postgres://me:CANARY@127.0.0.1/b").expect("valid");
        assert!(!format!("{dsn:?} {dsn}").contains("CANARY"));
        let error = Dsn::parse("postgres://me:CANARY@127.0.0.1:port/b").expect_err("no port");
        assert!(!format!("{error:?} {error}").contains("CANARY"), "{error:?}");
    }

    #[test]
    fn the_password_file_is_read_as_libpq_does() {
        let text = "# comment:*:*:*:no\nother:5432:db:me:no\nhost:*:d\\:b:me:y\\\\e:s\nhost:*:*:*:late\n";
        assert_eq!(password_of(text, ["host", "1", "d:b", "me"]).as_deref(), Some("y\\e:s"));
        assert_eq!(password_of(text, ["host", "1", "db", "you"]).as_deref(), Some("late"));
        assert_eq!(password_of(text, ["nowhere", "1", "db", "you"]), None);
    }

    #[test]
    fn variables_name_a_server_and_mistakes_are_named() {
        let dsn = |pairs: &[(&str, &str)]| {
            Dsn::from_variables(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let found = dsn(&[("PGHOST", "/tmp"), ("PGPORT", "5433"), ("PGUSER", "me"), ("PGPASSWORD", "x")]);
        let config = found.expect("valid").config;
        assert_eq!(
            (config.get_ports(), config.get_user(), config.get_password()),
            (&[5433][..], Some("me"), Some(&b"x"[..]))
        );
        assert!(matches!(dsn(&[]), Err(DsnError::Absent)));
        assert!(matches!(
            dsn(&[("PGHOST", "a"), ("PGPORT", "x")]),
            Err(DsnError::Variable { name: "PGPORT", .. })
        ));
        assert!(matches!(dsn(&[("PGHOST", "a"), ("PGSSLMODE", "disable")]), Err(DsnError::Plain { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_a_password_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("dsn");
        fs::write(&path, "postgres://me:x@127.0.0.1/b\n").expect("writes");
        let read = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
            Dsn::from_variables(|name| {
                (name == "VENUEKIT_CLUSTER_DSN_FILE").then(|| path.display().to_string())
            })
        };
        assert!(matches!(read(0o640), Err(DsnError::OpenPasswords { .. })));
        assert_eq!(read(0o600).expect("private").config.get_user(), Some("me"));
    }
}
