//! TLS for connections (RFC 7011, section 11).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, Error, RootCertStore, ServerConfig, ServerConnection};

use super::ending::Refusal;

/// Files in PEM, with which a collector shows who it is, and tells exporters.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Its certificate, and behind it those up to, but without, the authority's.
    pub certificate: PathBuf,
    /// The private key for it: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// Certificates of authorities. An exporter needs a certificate of one of them; none asks for no certificate.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// TLS is listened with, but there are no files.
    #[error("TLS takes a certificate and its key")]
    NoFiles,
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is no PEM, or has no certificate.
    #[error("no certificate in {}: {reason}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is no PEM, or has no private key.
    #[error("no private key in {}: {reason}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is that of another certificate.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
    /// Certificate or key cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The side of TLS that is connected to. All copies have the same certificates.
#[derive(Debug, Clone)]
pub(crate) struct TlsServer {
    files: TlsFiles,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl TlsServer {
    pub(crate) fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let config = Arc::new(Mutex::new(Self::read(files)?));
        Ok(Self { files: files.clone(), config })
    }

    /// Reads the files again, for connections that come from now on. After an error all stays as it was.
    pub(crate) fn renew(&self) -> Result<(), TlsError> {
        *self.lock() = Self::read(&self.files)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<ServerConfig>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&files.certificate)?;
        let key = private_key(&files.key)?;
        let versions = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&files.certificate, error))?;
        let clients = match &files.client_ca {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| unusable(path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                versions.with_client_cert_verifier(
                    verifier.map_err(|error: VerifierBuilderError| unusable(path, error))?,
                )
            }
            None => versions.with_no_client_auth(),
        };
        let mut config = clients.with_single_cert(chain, key).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
            }
            Error::InvalidCertificate(_) => unusable(&files.certificate, error),
            error => unusable(&files.key, error),
        })?;
        // Exporters connect once and stay: what could be resumed would only be kept.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// The state of a new connection.
    pub(crate) fn accept(&self) -> Result<ServerConnection, Refusal> {
        ServerConnection::new(Arc::clone(&self.lock())).map_err(refusal)
    }
}

/// What an error during the handshake means.
pub(super) fn refusal(error: Error) -> Refusal {
    match error {
        Error::NoCertificatesPresented => Refusal::NoCertificate,
        Error::InvalidCertificate(error) => Refusal::Certificate(certificate_fault(&error)),
        Error::InvalidMessage(_) => {
            Refusal::Handshake(format!("{error}; is it TLS that the exporter speaks?"))
        }
        error => Refusal::Handshake(error.to_string()),
    }
}

fn certificate_fault(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "no authority that is trusted has signed it".into(),
        CertificateError::BadSignature => "its signature is wrong".into(),
        CertificateError::Expired => "it has expired".into(),
        CertificateError::NotValidYet => "it is not valid yet".into(),
        CertificateError::Revoked => "it is revoked".into(),
        CertificateError::BadEncoding => "it cannot be read".into(),
        error => error.to_string(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = |reason: String| TlsError::NoCertificate { path: path.to_owned(), reason };
    let octets = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let found = found.map_err(|error| none(pem_fault(&error)))?;
    if found.is_empty() {
        return Err(none("it has no BEGIN CERTIFICATE".into()));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let octets = read(path)?;
    PrivateKeyDer::from_pem_slice(&octets).map_err(|error| {
        let encrypted = octets.windows(9).any(|text| text == b"ENCRYPTED");
        let reason = match error {
            pem::Error::NoItemsFound if encrypted => {
                "it is encrypted: `openssl pkey` writes it without".into()
            }
            pem::Error::NoItemsFound => "it has no BEGIN PRIVATE KEY".into(),
            error => pem_fault(&error),
        };
        TlsError::NoKey { path: path.to_owned(), reason }
    })
}

fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it is cut off".into(),
        error => error.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), reason: reason.to_string() }
}
