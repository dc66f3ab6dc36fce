//! TLS for both directions: whom a client trusts, and the throw-away authority that a served simulator brings.
//!
//! The cryptography is *ring*, handed in explicitly: a library installs nothing for the whole process.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds no certificate.
    #[error(
        "the CA file holds no PEM certificate; name the file that begins with -----BEGIN CERTIFICATE-----"
    )]
    NoCertificate,
    /// The text is broken PEM.
    #[error("the CA file is not readable PEM; write it again")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The certificate cannot be an authority.
    #[error("a certificate of the CA file is not one that can be trusted; write it again")]
    Authority(#[source] rustls::Error),
    /// The machine trusts nobody.
    #[error("this machine has no root certificates; install the package ca-certificates, or name a CA file")]
    NoRoots,
    /// A certificate for the simulator could not be made.
    #[error("no certificate could be made for the simulator; serve it without TLS")]
    Issue(#[source] rcgen::Error),
    /// The TLS library refused the set-up.
    #[error("TLS could not be set up")]
    Setup(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Whom a client trusts: the machine's authorities, and those it is given.
///
/// The machine's are read when the first TLS connection is made, so that a run against a plain loopback simulator
/// never waits for them.
#[derive(Clone, Default)]
pub struct ClientTls {
    extra: Vec<CertificateDer<'static>>,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl ClientTls {
    /// The machine's authorities.
    pub fn new() -> ClientTls {
        ClientTls::default()
    }

    /// The machine's authorities, and each certificate of a PEM text besides.
    ///
    /// **Errors**: when the text holds no certificate, or a broken one.
    pub fn with_ca(pem: &str) -> Result<ClientTls, TlsError> {
        let extra = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(TlsError::Pem)?;
        if extra.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &extra {
            roots.add(certificate.clone()).map_err(TlsError::Authority)?;
        }
        Ok(ClientTls { extra, config: Arc::default() })
    }

    /// The one configuration that streams and requests share.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        // A machine's store may hold certificates that no one can parse; the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in &self.extra {
            roots.add(certificate.clone()).map_err(TlsError::Authority)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let config = trusting(roots)?;
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTls({} extra)", self.extra.len())
    }
}

/// A configuration that trusts nobody, for clients that never speak TLS.
pub(crate) fn trusting_nobody() -> Result<ClientConfig, TlsError> {
    trusting(RootCertStore::empty())
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The server side of a simulator on loopback, under an authority that lives as long as this value.
///
/// Its private keys never leave memory; [`ServerTls::ca_pem`] is what clients need in order to trust it.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    ca_pem: Arc<str>,
}

impl ServerTls {
    /// Makes a fresh authority, and a certificate by it for `127.0.0.1`, `::1` and `localhost`.
    ///
    /// **Errors**: when keys cannot be made.
    pub fn fresh() -> Result<ServerTls, TlsError> {
        let issue = TlsError::Issue;
        let mut ca = rcgen::CertificateParams::new(Vec::new()).map_err(issue)?;
        ca.distinguished_name.push(rcgen::DnType::CommonName, "Venuekit simulator");
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let ca_key = rcgen::KeyPair::generate().map_err(issue)?;
        let ca_pem = ca.self_signed(&ca_key).map_err(issue)?.pem();
        let issuer = rcgen::Issuer::new(ca, ca_key);

        let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let mut leaf = rcgen::CertificateParams::new(names).map_err(issue)?;
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = rcgen::KeyPair::generate().map_err(issue)?;
        let certificate = leaf.signed_by(&key, &issuer).map_err(issue)?;

        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(TlsError::Setup)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ServerTls { config: Arc::new(config), ca_pem: ca_pem.into() })
    }

    /// The authority's certificate, for [`ClientTls::with_ca`].
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_authority_is_trusted_and_differs_each_time() {
        let (one, two) = (ServerTls::fresh().expect("keys"), ServerTls::fresh().expect("keys"));
        assert_ne!(one.ca_pem(), two.ca_pem());
        let trust = ClientTls::with_ca(one.ca_pem()).expect("its own PEM");
        assert!(trust.config().is_ok());
        assert!(!format!("{one:?} {trust:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_the_next_step() {
        let empty = ClientTls::with_ca("nothing here").expect_err("no PEM");
        assert!(empty.to_string().contains("BEGIN CERTIFICATE"), "{empty}");
        let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(ClientTls::with_ca(broken), Err(TlsError::Pem(_))));
        let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(ClientTls::with_ca(hollow), Err(TlsError::Authority(_))));
    }
}
