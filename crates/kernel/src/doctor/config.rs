//! The running kernel's configuration, from wherever it was kept.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::roots::Roots;
use crate::text::lines;

/// Distributions' configurations have some 300 KiB. More is no configuration,
/// and a few KiB of gzip can stand for any number of bytes.
pub(crate) const CONFIG_MAX_BYTES: u64 = 8 << 20;

/// A kernel has some 20 000 options.
const OPTIONS_MAX: usize = 100_000;

/// The options that a kernel was built with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelConfig {
    /// The file it was read from.
    pub(super) origin: PathBuf,
    options: HashMap<String, Setting>,
}

/// What one option is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Yes,
    Module,
    No,
    /// A number or a text, as it is written.
    Text(String),
}

impl KernelConfig {
    /// The first configuration that can be read and holds options; `None`
    /// where none was kept. One that is damaged counts as not there, since an
    /// option that it lost would be reported as switched off.
    pub(super) fn read(roots: &Roots, release: Option<&str>) -> Option<Self> {
        let candidates = list_candidates(roots, release);
        candidates.into_iter().find_map(|origin| {
            let text = read_config(&origin).ok()?;
            let options = parse_config(&text);
            (!options.is_empty()).then_some(Self { origin, options })
        })
    }

    /// What an option, named without `CONFIG_`, is set to; one that is not
    /// written down at all is off because something it needs is off.
    pub(super) fn setting(&self, symbol: &str) -> &Setting {
        self.options.get(symbol).unwrap_or(&Setting::No)
    }

    /// An option as the configuration has it.
    pub(super) fn render_setting(&self, symbol: &str) -> String {
        match self.options.get(symbol) {
            Some(Setting::Yes) => format!("CONFIG_{symbol}=y"),
            Some(Setting::Module) => format!("CONFIG_{symbol}=m"),
            Some(Setting::Text(text)) => format!("CONFIG_{symbol}={text}"),
            Some(Setting::No) => format!("CONFIG_{symbol} is not set"),
            None => format!("CONFIG_{symbol} is not offered: something it depends on is off"),
        }
    }
}

/// Where configurations are kept, the surest first: the kernel's own, the one
/// installed beside the kernel, the folder it was built in.
fn list_candidates(roots: &Roots, release: Option<&str>) -> Vec<PathBuf> {
    let mut candidates = vec![roots.procfs.join("config.gz")];
    // A release is a part of file names here and must stay one part.
    let release = release.filter(|release| !release.contains('/') && !release.is_empty());
    if let Some(release) = release {
        let root = &roots.rootfs;
        let modules = root.join("lib/modules").join(release);
        candidates.push(root.join(format!("boot/config-{release}")));
        candidates.push(modules.join("build/.config"));
        candidates.push(modules.join("config"));
    }
    candidates
}

fn read_config(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    if path.extension().is_some_and(|extension| extension == "gz") {
        read_bounded(MultiGzDecoder::new(file.take(CONFIG_MAX_BYTES)))
    } else {
        read_bounded(file)
    }
}

pub(crate) fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(CONFIG_MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > CONFIG_MAX_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// Parses lines of `CONFIG_PSI=y` and `# CONFIG_PSI is not set`.
pub(crate) fn parse_config(text: &[u8]) -> HashMap<String, Setting> {
    let options = lines(text).filter_map(|line| parse_option(std::str::from_utf8(line).ok()?));
    options.take(OPTIONS_MAX).collect()
}

fn parse_option(line: &str) -> Option<(String, Setting)> {
    let (symbol, setting) = match line.strip_prefix("# CONFIG_") {
        Some(rest) => (rest.strip_suffix(" is not set")?, Setting::No),
        None => {
            let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            let setting = match value {
                "y" => Setting::Yes,
                "m" => Setting::Module,
                "n" => Setting::No,
                "" => return None,
                text => Setting::Text(text.to_owned()),
            };
            (symbol, setting)
        }
    };
    let is_symbol = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!symbol.is_empty() && symbol.bytes().all(is_symbol)).then(|| (symbol.to_owned(), setting))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::doctor::tree::Tree;

    fn pack(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn pack_zeros(bytes: usize) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        let chunk = vec![0; 1 << 20];
        for _ in 0..bytes / chunk.len() {
            packer.write_all(&chunk).unwrap();
        }
        packer.finish().unwrap()
    }

    /// Which file, of those there are, and what it says about CONFIG_PSI.
    #[track_caller]
    fn expect(files: &[(&str, Vec<u8>)], origin: Option<&str>, psi: &str) {
        let tree = Tree::new();
        for (path, content) in files {
            tree.write(path, content);
        }
        let config = KernelConfig::read(&tree.roots(), Some("6.1.2-x"));
        let found = config
            .as_ref()
            .map(|config| config.origin.strip_prefix(tree.path()).unwrap());
        assert_eq!(found, origin.map(Path::new));
        let said = config.map_or_else(String::new, |config| config.render_setting("PSI"));
        assert_eq!(said, psi);
    }

    #[test]
    fn the_surest_configuration_that_can_be_read_counts() {
        let yes = b"#\n# Linux\nCONFIG_PSI=y\n".to_vec();
        let no = b"# CONFIG_PSI is not set\n".to_vec();
        let module = b"CONFIG_PSI=m\n".to_vec();
        let text = b"CONFIG_PSI=\"a=b\"\n".to_vec();
        let other = b"CONFIG_NET=y\n".to_vec();
        let boot = "boot/config-6.1.2-x";
        let build = "lib/modules/6.1.2-x/build/.config";
        let installed = "lib/modules/6.1.2-x/config";
        let gz = "proc/config.gz";
        let off = "CONFIG_PSI is not set";
        let packed = pack(&yes);
        let cut = packed[..packed.len() - 6].to_vec();
        expect(&[], None, "");
        expect(
            &[(gz, packed.clone()), (boot, no.clone())],
            Some(gz),
            "CONFIG_PSI=y",
        );
        expect(&[(boot, no.clone()), (build, yes.clone())], Some(boot), off);
        expect(
            &[(build, module), (installed, yes.clone())],
            Some(build),
            "CONFIG_PSI=m",
        );
        expect(&[(installed, text)], Some(installed), "CONFIG_PSI=\"a=b\"");
        let hidden = "CONFIG_PSI is not offered: something it depends on is off";
        expect(&[(boot, other)], Some(boot), hidden);
        expect(&[("boot/config-6.1.2", yes.clone())], None, "");
        // Damaged ones are passed over.
        expect(&[(gz, cut), (boot, no.clone())], Some(boot), off);
        expect(&[(gz, yes.clone()), (boot, no.clone())], Some(boot), off);
        expect(
            &[(
                gz,
                pack(b"\xff\0garbage\n=\nCONFIG_=y\nCONFIG_A B=y\nCONFIG_PSI=\n"),
            )],
            None,
            "",
        );
        expect(
            &[(gz, pack(b"CONFIG_PSI=y")), (boot, no.clone())],
            Some(boot),
            off,
        );
        // Two streams one after the other are one file to gzip.
        let two = [pack(b"CONFIG_NET=y\n"), pack(&yes)].concat();
        expect(&[(gz, two)], Some(gz), "CONFIG_PSI=y");
    }

    #[test]
    fn a_bomb_is_no_configuration() {
        let mut bomb = pack(b"CONFIG_PSI=y\n");
        bomb.extend(pack_zeros(100 << 20));
        assert!(bomb.len() < 1 << 20);
        expect(&[("proc/config.gz", bomb)], None, "");
    }

    #[test]
    fn a_release_is_never_a_path() {
        let tree = Tree::new();
        tree.write("boot/config-x", b"CONFIG_PSI=y\n");
        tree.write("secret", b"CONFIG_PSI=y\n");
        for release in ["../../secret", "/secret", ""] {
            assert_eq!(KernelConfig::read(&tree.roots(), Some(release)), None);
        }
        assert!(KernelConfig::read(&tree.roots(), Some("x")).is_some());
    }
}
