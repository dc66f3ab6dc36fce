//! API keys: what opens an account, what each may do, and from where.

use std::net::IpAddr;

use venuekit_sign::Credentials;

/// Keys a venue keeps.
const KEYS_MAX: usize = 100;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Look at the account.
    pub read: bool,
    /// Order and cancel.
    pub trade: bool,
    /// Take money out.
    pub withdraw: bool,
}

impl Permissions {
    /// Look and nothing else.
    pub const READ: Permissions = Permissions { read: true, trade: false, withdraw: false };
    /// Look and trade.
    pub const TRADE: Permissions = Permissions { read: true, trade: true, withdraw: false };
    /// Everything, which no program should have.
    pub const ALL: Permissions = Permissions { read: true, trade: true, withdraw: true };
}

/// A key of the demo account.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What opens the account; for DueDEX with a secret in base64.
    pub credentials: Credentials,
    /// What it may do.
    pub permissions: Permissions,
    /// The addresses it works from; from everywhere when there are none.
    pub addresses: Vec<IpAddr>,
}

impl ApiKey {
    /// A key that works from everywhere.
    pub fn new(credentials: Credentials, permissions: Permissions) -> ApiKey {
        ApiKey { credentials, permissions, addresses: Vec::new() }
    }

    /// The same key, working from these addresses alone.
    pub fn only_from(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> ApiKey {
        self.addresses = addresses.into_iter().collect();
        self
    }

    /// True when the key works from an address.
    pub fn works_from(&self, peer: IpAddr) -> bool {
        self.addresses.is_empty() || self.addresses.contains(&peer)
    }
}

/// The keys of a venue's demo account.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<ApiKey>);

impl KeyRing {
    /// Adds a key, or replaces the one of the same name; the oldest goes when there are a hundred.
    pub fn add(&mut self, key: ApiKey) {
        self.revoke(&key.credentials.key);
        if self.0.len() == KEYS_MAX {
            self.0.remove(0);
        }
        self.0.push(key);
    }

    /// Takes a key away; false when there is none of that name.
    pub fn revoke(&mut self, key: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|other| other.credentials.key != key);
        self.0.len() < before
    }

    /// The key of a name.
    pub fn find(&self, key: &str) -> Option<&ApiKey> {
        self.0.iter().find(|other| other.credentials.key == key)
    }

    /// All keys, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.iter()
    }
}
