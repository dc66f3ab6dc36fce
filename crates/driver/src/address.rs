//! Where a URL leads, and whether a program may go there: anywhere by TLS, without it to this machine only.

use std::net::{IpAddr, Ipv6Addr};

/// Why an address is not gone to. It quotes no path and no query, where a key or a signature could stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL.
    #[error("not a URL; write it like wss://stream.example.com or http://127.0.0.1:8080")]
    Syntax,
    /// It is of another kind than streams and requests are.
    #[error("{scheme}:// is neither ws, wss, http nor https; write it like wss://stream.example.com")]
    Scheme {
        /// What it is.
        scheme: String,
    },
    /// It carries a user or a password.
    #[error("the URL of {host} carries a user name or password; give credentials as an API key instead")]
    UserInfo {
        /// Where to.
        host: String,
    },
    /// It is plain and does not stay on this machine.
    #[error(
        "{scheme}://{host} is not encrypted; use {scheme}s://, or a literal address within 127.0.0.0/8 or [::1]"
    )]
    Plain {
        /// Its scheme.
        scheme: String,
        /// Where to.
        host: String,
    },
}

/// Says whether sessions may connect to a URL: a stream's or a request's, as config names it.
///
/// **Errors**: [`AddressError`], which says what to write instead.
pub fn check_address(url: &str) -> Result<(), AddressError> {
    Address::parse(url).map(|_| ())
}

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whether TLS is spoken.
    pub(crate) secure: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Address, AddressError> {
        let url = reqwest::Url::parse(url).map_err(|_| AddressError::Syntax)?;
        let scheme = url.scheme().to_owned();
        let secure = match scheme.as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(AddressError::Scheme { scheme }),
        };
        let host = url.host_str().ok_or(AddressError::Syntax)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::UserInfo { host });
        }
        let bare = host.trim_matches(['[', ']']).to_owned();
        let stays_here = bare.parse().is_ok_and(is_loopback);
        if !secure && !stays_here {
            return Err(AddressError::Plain { scheme, host });
        }
        let port = url.port_or_known_default().ok_or(AddressError::Syntax)?;
        Ok(Address { secure, host: bare, port })
    }

    /// Whether the peer that was reached is one the address allows.
    pub(crate) fn allows(&self, peer: IpAddr) -> bool {
        self.secure || is_loopback(peer)
    }
}

/// Addresses that no packet leaves this machine for.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip == Ipv6Addr::LOCALHOST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_stays_on_this_machine_and_everything_else_is_tls() {
        for url in [
            "ws://127.0.0.1:1/v1/feed",
            "http://127.9.9.9",
            "ws://[::1]:9/ws",
            "wss://feed.example.com/v1?x=y",
            "https://localhost",
            "wss://10.0.0.1",
        ] {
            assert_eq!(check_address(url), Ok(()), "{url}");
        }
        for (url, says) in [
            ("ws://localhost:1", "wss://"),
            ("http://api.example.com/?signature=canary", "https://"),
            ("ws://127.0.0.1.example.com", "127.0.0.0/8"),
            ("ws://[::ffff:127.0.0.1]", "[::1]"),
            ("ws://0.0.0.0", "wss://"),
            ("ws://[::]", "wss://"),
            ("http://10.0.0.1", "https://"),
            ("ftp://127.0.0.1", "neither"),
            ("wss://canary:canary@example.com", "API key"),
            ("127.0.0.1:8080", "write it like"),
            ("", "write it like"),
            ("http://", "write it like"),
        ] {
            let error = check_address(url).expect_err(url).to_string();
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn the_peer_is_checked_again() {
        let plain = Address::parse("ws://127.0.0.1:1").expect("loopback");
        assert!(plain.allows([127, 0, 0, 2].into()) && !plain.allows([10, 0, 0, 1].into()));
        let secure = Address::parse("wss://example.com").expect("TLS");
        assert_eq!((secure.port, secure.allows([10, 0, 0, 1].into())), (443, true));
        assert_eq!(Address::parse("ws://[::1]:7/x").expect("loopback").host, "::1");
    }
}
