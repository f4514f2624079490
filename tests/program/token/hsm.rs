//! Tokens of their own for tests: each has a folder that goes with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::common::tools::{Finished, run, text, tool};
use crate::common::{OpensslCa, Settings, Site};

/// The user PIN of every token here.
pub const PIN: &str = "824715";

/// The SoftHSM that `./setup` installs.
pub const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A folder with SoftHSM's tokens, and a PIN file.
pub struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// With one token, called `hsm`.
    pub fn new() -> Self {
        let hsm = Self::empty();
        hsm.add_token("hsm");
        hsm
    }

    /// Without a token.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hsm = Self { folder };
        fs::create_dir(hsm.path("tokens")).expect("a folder");
        let settings = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            hsm.path("tokens").display()
        );
        fs::write(hsm.path("softhsm2.conf"), settings).expect("SoftHSM's settings");
        hsm.write_pin(PIN);
        hsm
    }

    /// Initialises one more token.
    pub fn add_token(&self, label: &str) {
        let mut command = tool("softhsm2-util");
        command.args(["--init-token", "--free", "--label", label]);
        command.args(["--pin", PIN, "--so-pin", "12345678"]);
        run(self.among(&mut command)).expect(0);
    }

    /// Sets what the PIN file says.
    pub fn write_pin(&self, pin: &str) {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.path("pin")).expect("the PIN file");
        writeln!(file, "{pin}").expect("the PIN file");
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets a command see these tokens.
    pub fn among<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
    }

    /// The program, with this token described on its command line.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
        command.args(arguments).args(["--module", SOFTHSM]);
        command.args(["--pin-file", text(&self.path("pin"))]);
        command
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG");
        self.among(&mut command);
        command
    }

    /// Runs that.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments))
    }

    /// Makes a key, and gives its URI.
    #[track_caller]
    pub fn generate(&self, label: &str, key_type: &str) -> String {
        let words = ["token", "generate", "--label", "hsm", "--json"];
        let words = [&words[..], &["--key-label", label, "--key-type", key_type]].concat();
        let made = self.run(&words).expect(0).json();
        made["key"].as_str().expect("the key's URI").to_owned()
    }

    /// Makes a key and has `ca` issue a delegate's certificate for it, in a file of the CA's folder.
    #[track_caller]
    pub fn delegate(&self, ca: &OpensslCa, name: &str, key_type: &str) -> String {
        let key = self.generate(name, key_type);
        let csr = ca.path(&format!("{name}.csr"));
        let words = ["token", "csr", "--label", "hsm", "--key", &key];
        let words = [
            &words[..],
            &["--subject", "CN=On a token", "--out", text(&csr)],
        ]
        .concat();
        self.run(&words).expect(0);
        ca.openssl(&format!(
            "ca -config openssl.cnf -batch -notext -rand_serial -extensions delegate -days 30 \
             -in {name}.csr -out {name}.pem"
        ));
        key
    }

    /// An installation whose answers are signed by `key`, the certificate of which is `name`'s; `lines` are of
    /// its `[[token]]`.
    pub fn site(&self, ca: &std::sync::Arc<OpensslCa>, name: &str, key: &str, lines: &str) -> Site {
        self.site_with_module(ca, name, key, SOFTHSM, lines)
    }

    /// The same with another module.
    pub fn site_with_module(
        &self,
        ca: &std::sync::Arc<OpensslCa>,
        name: &str,
        key: &str,
        module: &str,
        lines: &str,
    ) -> Site {
        let top = format!(
            "[[token]]\nname = \"hsm\"\nlabel = \"hsm\"\nmodule = {module:?}\npin_file = {:?}\n{lines}\n",
            self.path("pin")
        );
        let site = Site::with(
            ca,
            &Settings {
                top,
                signer: None,
                ..Settings::default()
            },
        );
        let mut settings =
            fs::read_to_string(site.path("estelam.toml")).expect("the configuration");
        settings.push_str(&format!(
            "[[issuer.signer]]\ncertificate = {:?}\nkey = \"{key}\"\n",
            ca.path(&format!("{name}.pem"))
        ));
        fs::write(site.path("estelam.toml"), settings).expect("the configuration");
        site
    }

    /// Runs the program with an installation's configuration.
    #[track_caller]
    pub fn run_at(&self, site: &Site, arguments: &[&str]) -> Finished {
        run(self.among(&mut site.command(arguments)))
    }

    /// Starts the server of an installation.
    #[track_caller]
    pub fn serve(&self, site: &Site) -> crate::common::Server {
        let mut command = site.command(&["serve"]);
        self.among(&mut command);
        site.serve_by(command)
    }
}

/// The module that fails on command, built once for all tests.
pub static SHIM: LazyLock<Shim> = LazyLock::new(Shim::build);

/// See [`SHIM`].
pub struct Shim {
    folder: TempDir,
}

impl Shim {
    fn build() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/pkcs11_shim.c");
        let library = folder.path().join("libpkcs11_shim.so");
        let mut command = tool("gcc");
        command.args([
            "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o",
        ]);
        command.args([text(&library), text(&source), "-ldl", "-lpthread"]);
        run(&mut command).expect(0);
        Self { folder }
    }

    /// The library.
    pub fn module(&self) -> PathBuf {
        self.folder.path().join("libpkcs11_shim.so")
    }
}
