//! TLS on both sides, by rustls: what a listener presents and what a leg is trusted by.
//!
//! The crypto provider is passed to every configuration, so nothing depends on a process-wide default. Files are
//! read when a configuration is made. What a listener presents may be read [anew](Identity::read) while it serves; a leg
//! whose [authorities](digest) have changed needs a new configuration.

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// ALPN's name of HTTP/2.
pub const ALPN_H2: &[u8] = b"h2";
/// ALPN's name of HTTP/1.1.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// A certificate chain and its key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServerSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `tls.*` of a leg.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsClientSettings {
    /// PEM file trusted instead of the system's roots.
    pub ca: Option<PathBuf>,
    /// Name that the certificate must carry, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("could not read {}: check the path and its permissions", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{} is not a PEM file: convert it, or name the right one", file.display())]
    NotPem { file: PathBuf, source: pem::Error },
    #[error("no certificate in {}: it needs a section that begins with -----BEGIN CERTIFICATE-----", file.display())]
    NoCertificate { file: PathBuf },
    #[error("no private key in {}: it needs a section like -----BEGIN PRIVATE KEY-----, not encrypted", file.display())]
    NoKey { file: PathBuf },
    #[error("the key in {} does not belong to the certificate in {}: the leaf certificate comes first, and its key in the other file", key.display(), certificate.display())]
    KeyMismatch { certificate: PathBuf, key: PathBuf },
    #[error("could not use the certificate in {}: issue it anew as X.509 version 3", file.display())]
    BadCertificate { file: PathBuf, source: rustls::Error },
    #[error("could not use the key in {}: RSA, ECDSA and Ed25519 keys work", file.display())]
    BadKey { file: PathBuf, source: rustls::Error },
    #[error("no trusted certificates on this system: install its CA certificates, or name a file in tls.ca")]
    NoSystemRoots { source: rustls::Error },
    #[error("`{name}` is no name a certificate can carry: set tls.server_name to a DNS name or an IP address")]
    BadName { name: String },
    #[error("could not set up TLS")]
    Setup(#[source] rustls::Error),
}

/// What a TLS listener presents. Connections that come after it was renewed see the new one.
#[derive(Debug)]
pub struct Identity {
    settings: TlsServerSettings,
    presented: ArcSwap<CertifiedKey>,
}

/// The same, for a listener that never changes it; see [`Identity::acceptor`].
///
/// # Errors
/// Those of [`Identity::new`].
pub fn acceptor(settings: &TlsServerSettings) -> Result<TlsAcceptor, TlsError> {
    Arc::new(Identity::new(settings)?).acceptor()
}

// === impl Identity ===

impl Identity {
    /// # Errors
    /// A file that cannot be read or used, and a key that is not the certificate's.
    pub fn new(settings: &TlsServerSettings) -> Result<Self, TlsError> {
        Ok(Self { settings: settings.clone(), presented: ArcSwap::new(certified(settings)?) })
    }

    pub fn settings(&self) -> &TlsServerSettings {
        &self.settings
    }

    /// What is in the files by now. Nothing changes yet.
    ///
    /// # Errors
    /// Those of [`Identity::new`].
    pub fn read(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        certified(&self.settings)
    }

    /// Presents what was [read](Self::read) from now on.
    pub fn renew(&self, read: Arc<CertifiedKey>) {
        self.presented.store(read);
    }

    /// Takes HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// TLS that cannot be set up at all.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.presented.load_full())
    }
}

/// The certificate with its key, both from their files.
fn certified(settings: &TlsServerSettings) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(&settings.certificate)?;
    let key = private_key(&settings.key)?;
    let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::KeyMismatch { certificate: settings.certificate.clone(), key: settings.key.clone() }
        }
        source @ rustls::Error::InvalidCertificate(_) => {
            TlsError::BadCertificate { file: settings.certificate.clone(), source }
        }
        source => TlsError::BadKey { file: settings.key.clone(), source },
    })?;
    Ok(Arc::new(certified))
}

/// Of what is in the files that say how a leg is trusted. The same settings mean the same while it is the same.
///
/// # Errors
/// A file that cannot be read.
pub fn digest(settings: &TlsClientSettings) -> Result<Option<blake3::Hash>, TlsError> {
    let ca = settings.ca.as_ref().filter(|_| !settings.insecure);
    ca.map(|file| Ok(blake3::hash(&read(file)?))).transpose()
}

/// How a leg is trusted, offering `alpn` in this order.
///
/// # Errors
/// A `tls.ca` that cannot be read or used; a system without trusted certificates where one is needed.
pub fn client_config(settings: &TlsClientSettings, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let builder = if settings.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else if let Some(file) = &settings.ca {
        let certificates = certificates(file)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates.clone() {
            roots.add(certificate).map_err(|source| TlsError::BadCertificate { file: file.clone(), source })?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Named { authorities, certificates }))
    } else {
        builder.with_platform_verifier().map_err(|source| TlsError::NoSystemRoots { source })?
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The name that a leg's certificate must carry: `tls.server_name`, or the URL's host.
pub fn server_name(settings: &TlsClientSettings, host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = settings.server_name.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadName { name: name.to_owned() })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::NotPem { file: file.to_owned(), source })?;
    if chain.is_empty() { Err(TlsError::NoCertificate { file: file.to_owned() }) } else { Ok(chain) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        source => TlsError::NotPem { file: file.to_owned(), source },
    })
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })
}

/// `tls.insecure`: whoever answers is believed. Signatures are still checked, so that a broken peer is noticed.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

// === impl AcceptAny ===

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// `tls.ca`: the authorities in the file, and a certificate that stands in it itself. Those made by hand say of
/// themselves that they are an authority, as which no server may present one.
#[derive(Debug)]
struct Named {
    authorities: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

// === impl Named ===

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // One that has expired, or is another name's, has an error of its own.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn refused(certificate: &Path, key: &Path) -> String {
        match acceptor(&TlsServerSettings { certificate: certificate.to_owned(), key: key.to_owned() }) {
            Ok(_) => panic!("accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_chain_with_its_key_is_taken_and_everything_else_says_why_not() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let cert = write(&dir, "cert.pem", &made.cert.pem());
        let key = write(&dir, "key.pem", &made.signing_key.serialize_pem());
        let wrong = write(&dir, "wrong.pem", &other.signing_key.serialize_pem());
        let empty = write(&dir, "empty.pem", "no sections here\n");
        let cut = write(&dir, "cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        let junk = write(&dir, "junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let gone = dir.path().join("gone.pem");

        let settings = TlsServerSettings { certificate: cert.clone(), key: key.clone() };
        let taken = acceptor(&settings).unwrap();
        assert_eq!(taken.config().alpn_protocols, [ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()]);

        let shown = |path: &Path| path.display().to_string();
        assert!(refused(&gone, &key).starts_with(&format!("could not read {}", shown(&gone))));
        assert!(refused(&empty, &key).starts_with(&format!("no certificate in {}", shown(&empty))));
        assert!(refused(&cut, &key).starts_with(&format!("{} is not a PEM file", shown(&cut))));
        assert!(refused(&junk, &key).starts_with(&format!("could not use the certificate in {}", shown(&junk))));
        assert!(refused(&cert, &cert).starts_with(&format!("no private key in {}", shown(&cert))));
        assert!(refused(&cert, &wrong).starts_with(&format!("the key in {} does not belong", shown(&wrong))));
    }

    #[test]
    fn a_ca_file_is_checked_when_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = write(&dir, "empty.pem", "");
        let settings = TlsClientSettings { ca: Some(empty.clone()), ..TlsClientSettings::default() };
        let error = client_config(&settings, &[ALPN_H2]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("no certificate in {}", empty.display())), "{error}");
    }

    #[test]
    fn the_name_to_verify_is_the_host_unless_told() {
        let told = TlsClientSettings { server_name: Some("inner.test".to_owned()), ..TlsClientSettings::default() };
        let plain = TlsClientSettings::default();
        assert_eq!(server_name(&told, "10.0.0.1").unwrap().to_str(), "inner.test");
        assert_eq!(server_name(&plain, "::1").unwrap().to_str(), "::1");
        assert!(server_name(&plain, "no name").unwrap_err().to_string().contains("tls.server_name"));
    }
}
