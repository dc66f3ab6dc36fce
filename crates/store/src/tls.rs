//! TLS towards a server of ours: verified, or not at all.
//!
//! Owns the one way to make it. It refuses to skip a check.

use rustls::{ClientConfig, RootCertStore};

/// The authorities that the machine believes.
pub(crate) fn machine_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

/// TLS that believes these authorities.
pub(crate) fn verified(roots: RootCertStore) -> ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
