//! Builds the dashboard with npm, where Node is there, and leaves it for the
//! program to embed. Without Node the program is built all the same, with a
//! page that says how to get the dashboard.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [&str; 8] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

fn main() -> Result<(), Box<dyn Error>> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("dist");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    println!("cargo::rerun-if-env-changed=LFS_WRAPPER_NO_WEB");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    if let Err(why) = build_page(&web, &out) {
        println!("cargo::warning=the dashboard is not built: {why}");
        fs::write(out.join("index.html"), include_str!("fallback.html"))?;
    }
    Ok(())
}

fn build_page(web: &Path, out: &Path) -> Result<(), String> {
    if env::var_os("LFS_WRAPPER_NO_WEB").is_some() {
        return Err("LFS_WRAPPER_NO_WEB is set".to_owned());
    }
    if needs_install(web) {
        npm(
            web,
            out,
            &[
                "ci",
                "--omit=dev",
                "--no-audit",
                "--no-fund",
                "--fetch-retries=1",
            ],
        )?;
    }
    npm(web, out, &["run", "build"])?;
    if out.join("index.html").exists() {
        Ok(())
    } else {
        Err("'npm run build' made no index.html".to_owned())
    }
}

/// npm keeps a copy of the lock file beside what it installed.
fn needs_install(web: &Path) -> bool {
    let modified = |path: &str| {
        fs::metadata(web.join(path))
            .and_then(|data| data.modified())
            .ok()
    };
    match (
        modified("node_modules/.package-lock.json"),
        modified("package-lock.json"),
    ) {
        (Some(installed), Some(locked)) => installed < locked,
        _ => true,
    }
}

fn npm(web: &Path, out: &Path, arguments: &[&str]) -> Result<(), String> {
    let command = format!("npm {}", arguments.join(" "));
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(web)
        .env("LFS_WRAPPER_WEB_OUT", out)
        .output()
        .map_err(|error| format!("running '{command}': {error}; install Node 20 or newer"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    Err(format!(
        "'{command}' failed: {}",
        last.unwrap_or("it said nothing")
    ))
}
