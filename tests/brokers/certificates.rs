//! An authority of the tests, and what it signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files in PEM form.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    /// The authority.
    pub(crate) ca: PathBuf,
    /// Key and certificate of a client that is known.
    pub(crate) client: (PathBuf, PathBuf),
    /// Key and certificate of a client that was known until yesterday.
    pub(crate) expired_client: (PathBuf, PathBuf),
    /// Key and chain of the brokers, one file.
    pub(super) broker: PathBuf,
    /// The same, which ended yesterday.
    pub(super) expired_broker: PathBuf,
}

impl Certificates {
    pub(super) fn make(folder: &Path) -> Certificates {
        let maker = Maker { folder: folder.to_owned() };
        let ca = maker.path("ca.pem");
        maker.openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem -subj /CN=test-ca");
        let server = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n";
        let client = "extendedKeyUsage=clientAuth\n";
        let bundled = |name: &str| {
            let (key, certificate) = (maker.path(&format!("{name}.key")), maker.path(&format!("{name}.pem")));
            let bundle = maker.path(&format!("{name}-bundle.pem"));
            let read = |path: &Path| fs::read_to_string(path).expect("openssl wrote it");
            fs::write(&bundle, read(&key) + &read(&certificate) + &read(&ca)).expect("the folder can be written");
            bundle
        };
        maker.sign("broker", "127.0.0.1", server, Validity::Now);
        maker.sign("old-broker", "127.0.0.1", server, Validity::UntilYesterday);
        let client_files = maker.sign("client", super::ENGINE, client, Validity::Now);
        let expired_client = maker.sign("old-client", super::ENGINE, client, Validity::UntilYesterday);
        Certificates {
            broker: bundled("broker"),
            expired_broker: bundled("old-broker"),
            client: client_files,
            expired_client,
            ca,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Validity {
    Now,
    UntilYesterday,
}

struct Maker {
    folder: PathBuf,
}

impl Maker {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(&self.folder);
        let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Key and certificate of `CN=name`. The key is PKCS#8, the only form that the broker reads.
    fn sign(&self, file: &str, name: &str, extensions: &str, validity: Validity) -> (PathBuf, PathBuf) {
        fs::write(self.path(&format!("{file}.ext")), extensions).expect("the folder can be written");
        self.openssl(&format!("req -newkey rsa:2048 -nodes -keyout {file}.rsa -out {file}.csr -subj /CN={name}"));
        self.openssl(&format!("pkcs8 -topk8 -nocrypt -in {file}.rsa -out {file}.key"));
        match validity {
            Validity::Now => self.openssl(&format!(
                "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile {file}.ext -out {file}.pem"
            )),
            // `x509` of OpenSSL 3.0 cannot sign into the past; `ca` can, and wants a folder for its books.
            Validity::UntilYesterday => self.sign_into_the_past(file),
        }
        (self.path(&format!("{file}.key")), self.path(&format!("{file}.pem")))
    }

    fn sign_into_the_past(&self, file: &str) {
        fs::write(self.path("index.txt"), "").expect("the folder can be written");
        let books = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
                     policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n";
        fs::write(self.path("books.cnf"), books).expect("the folder can be written");
        self.openssl(&format!(
            "ca -batch -notext -config books.cnf -cert ca.pem -keyfile ca.key -in {file}.csr -out {file}.pem \
             -extfile {file}.ext -startdate 20240101000000Z -enddate 20240201000000Z"
        ));
    }
}
