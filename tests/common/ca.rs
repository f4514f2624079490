//! A CA in a folder, driven by the real `openssl ca`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use super::answer::Status;
use super::ask::Hash;
use super::clock::generalized_time;
use super::der::{children, only};
use super::random::Random;
use super::tools::{Finished, read_text, run, text, tool};

/// A CA whose `index.txt` is what the program is fed with.
#[derive(Debug)]
pub struct OpensslCa {
    folder: TempDir,
    /// Of the CA and its delegates.
    key_type: KeyType,
    /// Everything before the serial in a CertID, for each of [`Hash::ALL`].
    cert_id_starts: [Vec<u8>; 3],
}

/// A key, and the digest that `openssl ca` signs with under it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyType {
    EcP256,
    EcP384,
    Ed25519,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    /// Bound to RSASSA-PSS with SHA-256.
    RsaPss2048,
}

impl KeyType {
    /// What `openssl genpkey` is told.
    const fn genpkey(self) -> &'static str {
        match self {
            Self::EcP256 => "EC -pkeyopt ec_paramgen_curve:P-256",
            Self::EcP384 => "EC -pkeyopt ec_paramgen_curve:P-384",
            Self::Ed25519 => "ED25519",
            Self::Rsa2048 => "RSA -pkeyopt rsa_keygen_bits:2048",
            Self::Rsa3072 => "RSA -pkeyopt rsa_keygen_bits:3072",
            Self::Rsa4096 => "RSA -pkeyopt rsa_keygen_bits:4096",
            Self::RsaPss2048 => {
                "RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256 \
                 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32"
            }
        }
    }

    /// `default_md` of `openssl.cnf`.
    const fn digest(self) -> &'static str {
        match self {
            Self::EcP384 => "sha384",
            // Ed25519 hashes by itself.
            Self::Ed25519 => "default",
            Self::EcP256 | Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::RsaPss2048 => {
                "sha256"
            }
        }
    }
}

/// A line of `index.txt`, and the answer that its certificate has to get.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// As in `index.txt`: hexadecimal, whole octets.
    pub serial: String,
    /// What clients have to be told.
    pub status: Status,
    /// When the key was compromised (`keyTime`, `CAkeyTime`): the invalidityDate.
    pub invalidity_date: Option<String>,
    /// The certificate, where `openssl ca` issued one.
    pub pem: Option<PathBuf>,
}

/// What a CA has.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whether a certificate is issued, and revoked, in every way that `openssl ca` has.
    pub every_form: bool,
    /// Certificates that are only lines of `index.txt`, written in the same forms: `openssl ca`
    /// would take minutes for thousands.
    pub bulk: usize,
}

/// The CA that tests share which do not change it: made when first needed, gone with its last user.
pub static SHARED: SharedCa = SharedCa(Mutex::new(Weak::new()));

/// See [`SHARED`].
#[derive(Debug)]
pub struct SharedCa(Mutex<Weak<OpensslCa>>);

impl SharedCa {
    pub fn get(&self) -> Arc<OpensslCa> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let ca = Arc::new(OpensslCa::new(Plan {
                every_form: true,
                bulk: 5_000,
            }));
            *shared = Arc::downgrade(&ca);
            ca
        })
    }
}

impl OpensslCa {
    /// A CA with a P-256 key, an OCSP delegate (`ocsp.pem`, `ocsp.key`) and what `plan` says.
    pub fn new(plan: Plan) -> Self {
        Self::of(KeyType::EcP256, plan)
    }

    /// The same with another type of keys.
    pub fn of(key_type: KeyType, plan: Plan) -> Self {
        Self::named(key_type, "/C=IR/CN=Test_CA", plan)
    }

    /// The same under another name, which `openssl req -subj` takes.
    pub fn named(key_type: KeyType, name: &str, plan: Plan) -> Self {
        Self::made(key_type, name, None, plan)
    }

    /// A CA under another name with the key of `other`.
    pub fn with_key_of(other: &Self, name: &str, plan: Plan) -> Self {
        Self::made(other.key_type, name, Some(&other.path("ca.key")), plan)
    }

    fn made(key_type: KeyType, name: &str, key: Option<&Path>, plan: Plan) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut ca = Self {
            folder,
            key_type,
            cert_id_starts: [Vec::new(), Vec::new(), Vec::new()],
        };
        let write = |name, content: &str| std::fs::write(ca.path(name), content).expect(name);
        let digest = format!("default_md = {}", key_type.digest());
        write(
            "openssl.cnf",
            &include_str!("openssl.cnf").replace("default_md = sha256", &digest),
        );
        write("index.txt", "");
        write("serial", "01\n");
        std::fs::create_dir(ca.path("certs")).expect("certs");

        match key {
            None => ca.new_key_of("ca.key", key_type),
            Some(key) => drop(std::fs::copy(key, ca.path("ca.key")).expect("the other CA's key")),
        }
        ca.openssl_with(&[
            "req",
            "-config",
            "openssl.cnf",
            "-x509",
            "-new",
            "-key",
            "ca.key",
            "-extensions",
            "root",
            "-days",
            "3650",
            "-subj",
            name,
            "-out",
            "ca.pem",
        ]);
        ca.new_delegate("ocsp", "delegate", "-days 365");
        if plan.every_form {
            ca.issue_in_every_form();
        }
        ca.append_bulk(plan.bulk);
        ca.cert_id_starts = Hash::ALL.map(|hash| cert_id_start(&ca.path("ca.pem"), hash));
        ca
    }

    /// A file of the CA.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `openssl` with these words in the CA's folder; it has to succeed.
    #[track_caller]
    pub fn openssl(&self, arguments: &str) -> Finished {
        self.openssl_with(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// The same for arguments with spaces in them.
    #[track_caller]
    pub fn openssl_with(&self, arguments: &[&str]) -> Finished {
        let mut command = tool("openssl");
        run(command.args(arguments).current_dir(self.folder.path())).expect(0)
    }

    /// Makes a P-256 key, PKCS#8.
    pub fn new_key(&self, name: &str) {
        self.new_key_of(name, KeyType::EcP256);
    }

    fn new_key_of(&self, name: &str, key_type: KeyType) {
        self.openssl(&format!(
            "genpkey -algorithm {} -out {name}",
            key_type.genpkey()
        ));
    }

    /// Makes a delegate `NAME.pem` with `NAME.key` of the CA's type: `extensions` is a section of `openssl.cnf`,
    /// `dates` are options of `openssl ca`.
    pub fn new_delegate(&self, name: &str, extensions: &str, dates: &str) {
        self.new_key_of(&format!("{name}.key"), self.key_type);
        self.openssl(&format!(
            "req -config openssl.cnf -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        self.openssl(&format!(
            "ca -config openssl.cnf -batch -notext -rand_serial -extensions {extensions} {dates} \
             -in {name}.csr -out {name}.pem"
        ));
    }

    /// Issues certificates with `openssl ca`; gives their serials.
    pub fn issue(&self, count: usize, options: &str) -> Vec<String> {
        let known = self.certificates().len();
        if !self.path("leaf.csr").exists() {
            self.new_key("leaf.key");
            self.openssl_with(&[
                "req",
                "-config",
                "openssl.cnf",
                "-new",
                "-key",
                "leaf.key",
                "-utf8",
                "-subj",
                "/C=IR/CN=سارا نمونه",
                "-out",
                "leaf.csr",
            ]);
        }
        self.openssl(&format!(
            "ca -config openssl.cnf -batch -notext -extensions leaf {options} -infiles {}",
            "leaf.csr ".repeat(count)
        ));
        let all = self.certificates();
        all[known..]
            .iter()
            .map(|certificate| certificate.serial.clone())
            .collect()
    }

    /// `openssl ca -revoke`, with options such as `-crl_reason superseded`.
    #[track_caller]
    pub fn revoke(&self, serial: &str, options: &str) {
        self.openssl(&format!(
            "ca -config openssl.cnf -revoke certs/{serial}.pem {options}"
        ));
    }

    /// Small serials, those around a DER length or sign octet, long random ones, an expired and a
    /// far-off certificate; revoked in every form that `openssl ca` knows.
    fn issue_in_every_form(&self) {
        let mut serials = self.issue(10, "");
        for first in ["7E", "FE", "7FFE", "00FFFFFE"] {
            std::fs::write(self.path("serial"), format!("{first}\n")).expect("serial");
            serials.extend(self.issue(4, ""));
        }
        serials.extend(self.issue(10, "-rand_serial"));
        self.issue(
            1,
            "-rand_serial -startdate 20200101000000Z -enddate 20210101000000Z",
        );
        self.issue(
            1,
            "-rand_serial -startdate 20200101000000Z -enddate 20601231235959Z",
        );
        self.openssl("ca -config openssl.cnf -updatedb");
        // Every second one stays good, so that each kind of serial is seen with either status.
        for (serial, options) in serials.iter().step_by(2).zip(REVOKED_BY) {
            self.revoke(serial, options);
        }
    }

    /// Adds lines to `index.txt` as `openssl ca` would have written them.
    fn append_bulk(&self, count: usize) {
        let mut random = Random(0x0e57_e1a3);
        let mut lines = read_text(&self.path("index.txt"));
        for number in 0..count {
            let serial = random.serial(8 + random.clone().below(13));
            let subject = format!("unknown\t/C=IR/CN=bulk {number}");
            let line = match random.below(10) {
                0..6 => format!("V\t361119031722Z\t\t{serial}\t{subject}\n"),
                6 => format!("V\t20610101000000Z\t\t{serial}\t{subject}\n"),
                7 => format!("E\t210101000000Z\t\t{serial}\t{subject}\n"),
                _ => {
                    // From 2009-02-13 to 2025-07-22.
                    let time = generalized_time(1_234_567_890 + random.next() % 518_400_000);
                    let form = random.pick(&REVOKED_AS);
                    format!(
                        "R\t361119031722Z\t{}{form}\t{serial}\t{subject}\n",
                        &time[2..]
                    )
                }
            };
            lines.push_str(&line);
        }
        std::fs::write(self.path("index.txt"), lines).expect("index.txt");
    }

    /// What `index.txt` says now, in its order.
    pub fn certificates(&self) -> Vec<Certificate> {
        let lines = read_text(&self.path("index.txt"));
        lines
            .lines()
            .map(|line| Certificate::of_line(line, self.folder.path()))
            .collect()
    }

    /// A CertID up to its serialNumber.
    pub fn cert_id_start(&self, hash: Hash) -> &[u8] {
        match hash {
            Hash::Sha1 => &self.cert_id_starts[0],
            Hash::Sha256 => &self.cert_id_starts[1],
            Hash::Sha384 => &self.cert_id_starts[2],
        }
    }

    /// The request that OpenSSL makes for a serial.
    pub fn request_by_openssl(&self, hash: Hash, serial: &str) -> Vec<u8> {
        request_by_openssl(&self.path("ca.pem"), hash, serial)
    }
}

/// The request that OpenSSL makes for a serial of this issuer.
pub fn request_by_openssl(issuer: &Path, hash: Hash, serial: &str) -> Vec<u8> {
    let mut command = tool("openssl");
    command.args(["ocsp", "-issuer", text(issuer), hash.option(), "-serial"]);
    command
        .arg(format!("0x{serial}"))
        .args(["-no_nonce", "-reqout", "/dev/stdout"]);
    let output = command.output().expect("openssl was run before");
    output.stdout
}

/// Everything before the serial in a CertID of this issuer.
pub fn cert_id_start(issuer: &Path, hash: Hash) -> Vec<u8> {
    let request = request_by_openssl(issuer, hash, "01");
    let tbs = only(only(&request, 0x30), 0x30);
    let cert_id = only(only(only(tbs, 0x30), 0x30), 0x30);
    let [algorithm, name, key, _serial] = children(cert_id)[..] else {
        panic!("a CertID has four parts")
    };
    [algorithm.whole, name.whole, key.whole].concat()
}

impl Certificate {
    /// Reads a line as the manual of `openssl ca` describes it.
    fn of_line(line: &str, folder: &Path) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        let [state, _expiry, revocation, serial, ..] = fields[..] else {
            panic!("{line}")
        };
        let pem = folder.join(format!("certs/{serial}.pem"));
        let mut certificate = Self {
            serial: serial.to_owned(),
            status: Status::Good,
            invalidity_date: None,
            pem: pem.exists().then_some(pem),
        };
        if state == "R" {
            let mut parts = revocation.split(',');
            let short = parts.next().expect("a time");
            let reason = match parts.next() {
                None | Some("unspecified" | "removeFromCRL") => None,
                Some("keyCompromise" | "keyTime") => Some(1),
                Some("CACompromise" | "CAkeyTime") => Some(2),
                Some("affiliationChanged") => Some(3),
                Some("superseded") => Some(4),
                Some("cessationOfOperation") => Some(5),
                Some("certificateHold" | "holdInstruction") => Some(6),
                Some(other) => panic!("{other}"),
            };
            certificate.status = Status::Revoked {
                time: format!("20{short}"),
                reason,
            };
            let compromised = revocation.contains("keyTime,").then(|| parts.next());
            certificate.invalidity_date = compromised.flatten().map(str::to_owned);
        }
        certificate
    }
}

/// Ways to revoke with `openssl ca`.
const REVOKED_BY: [&str; 14] = [
    "",
    "-crl_reason unspecified",
    "-crl_reason keyCompromise",
    "-crl_reason CACompromise",
    "-crl_reason affiliationChanged",
    "-crl_reason superseded",
    "-crl_reason cessationOfOperation",
    "-crl_reason certificateHold",
    "-crl_reason removeFromCRL",
    "-crl_hold holdInstructionCallIssuer",
    "-crl_hold 1.2.840.10040.2.3",
    "-crl_compromise 20251224180000Z",
    "-crl_CA_compromise 20251224180000Z",
    "-crl_reason keyCompromise",
];

/// The same as `openssl ca` writes them behind the revocation time.
const REVOKED_AS: [&str; 12] = [
    "",
    ",unspecified",
    ",keyCompromise",
    ",CACompromise",
    ",affiliationChanged",
    ",superseded",
    ",cessationOfOperation",
    ",certificateHold",
    ",holdInstruction,1.2.840.10040.2.2",
    ",holdInstruction,holdInstructionReject",
    ",keyTime,20081224180000Z",
    ",CAkeyTime,20081224180000Z",
];

#[test]
fn the_request_builder_agrees_with_openssl() {
    let ca = OpensslCa::new(Plan {
        every_form: false,
        bulk: 0,
    });
    for serial in [
        "00",
        "01",
        "7F",
        "80",
        "FF",
        "0100",
        "7FFF",
        "8000",
        "00FF",
        &"7F".repeat(20),
    ] {
        for hash in Hash::ALL {
            let ours = super::ask::request_of(&ca, hash, &[serial]);
            assert_eq!(
                ours,
                ca.request_by_openssl(hash, serial),
                "{hash:?} {serial}"
            );
        }
    }
}

#[test]
fn a_ca_has_every_form_of_revocation_within_three_seconds() {
    let begun = super::clock::now();
    let ca = OpensslCa::new(Plan {
        every_form: true,
        bulk: 5_000,
    });
    let lines = read_text(&ca.path("index.txt"));
    for form in REVOKED_AS {
        assert!(
            lines.contains(&format!("Z{}", form.split("Time,").next().unwrap())),
            "{form}"
        );
    }
    let certificates = ca.certificates();
    assert_eq!(
        certificates.iter().filter(|it| it.pem.is_some()).count(),
        1 + 10 + 16 + 10 + 2
    );
    assert_eq!(certificates.len(), 5_000 + 39);
    assert!(super::clock::now() - begun <= 6, "it took too long");
}
