//! What must hold of the state database and its audit log.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::Path;

use lfs_wrapper_model::Severity;
use lfs_wrapper_state::audit::{self, Entry, Filter, Verdict};
use lfs_wrapper_state::{Database, DatabaseError, DirectoryError, StateDir};
use tempfile::TempDir;

fn state_dir(folder: &TempDir) -> StateDir {
    StateDir::open(folder.path(), &folder.path().join("run")).unwrap()
}

fn append(database: &Database, unit: &str, level: Severity, what: &str) {
    let transaction = database.begin().unwrap();
    let entry = Entry {
        unit,
        level,
        what,
        outcome: "done",
    };
    audit::append(&transaction, &entry).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let folder = TempDir::new().unwrap();
    append(
        &Database::open(&state_dir(&folder)).unwrap(),
        "build",
        Severity::Info,
        "run 1 started",
    );
    let again = Database::open(&state_dir(&folder)).unwrap();
    let records = audit::list(again.connection(), &Filter::default()).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].what, "run 1 started");
}

#[test]
fn a_damaged_database_is_kept_aside_byte_for_byte_and_the_next_start_works() {
    for damage in [b"no database at all, only text".to_vec(), damaged_pages()] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state.db");
        fs::write(&path, &damage).unwrap();

        let error = Database::open(&state_dir(&folder)).expect_err("the file is damaged");
        let DatabaseError::Damaged { kept, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(fs::read(kept).unwrap(), damage);
        assert!(!path.exists());
        assert!(error.to_string().contains("kept as"), "{error}");

        Database::open(&state_dir(&folder)).unwrap();
        assert!(kept.exists());
    }
}

/// A real database of ours whose pages after the first are noise.
fn damaged_pages() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    append(
        &Database::open(&state_dir(&folder)).unwrap(),
        "build",
        Severity::Info,
        "x",
    );
    let mut bytes = fs::read(folder.path().join("state.db")).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = byte.wrapping_mul(31).wrapping_add(7);
    }
    bytes
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = Database::open(&state_dir(&folder)).expect_err("it is not ours");
    assert!(matches!(error, DatabaseError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&state_dir(&folder)).unwrap();
    database
        .connection()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(database);
    let error = Database::open(&state_dir(&folder)).expect_err("it is newer");
    assert!(
        matches!(error, DatabaseError::Newer { found: 99, .. }),
        "{error}"
    );
}

#[test]
fn a_folder_of_another_user_is_refused() {
    // As root, give a folder away; as anybody else, take one of root's.
    let folder = TempDir::new().unwrap();
    let path = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(12_345), None).unwrap();
        folder.path()
    } else {
        Path::new("/usr")
    };
    let error = StateDir::open(path, path).expect_err("it belongs to another user");
    assert!(
        matches!(error, DirectoryError::ForeignOwner { .. }),
        "{error}"
    );
}

#[test]
fn every_kind_of_tampering_with_the_audit_log_is_found() {
    let tamperings = [
        ("UPDATE audit SET what = 'nothing' WHERE seq = 2", 2),
        ("UPDATE audit SET who = 'uid=1 pid=1' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 2", 3),
        ("DELETE FROM audit WHERE seq = 1", 2),
        (
            "UPDATE audit SET time_msec = time_msec + 1 WHERE seq = 1",
            1,
        ),
        (
            "DELETE FROM audit WHERE seq = 2; UPDATE audit SET seq = seq - 1 WHERE seq > 2",
            2,
        ),
    ];
    for (tampering, at) in tamperings {
        let folder = TempDir::new().unwrap();
        let database = Database::open(&state_dir(&folder)).unwrap();
        for number in 1..=4 {
            append(&database, "build", Severity::Info, &format!("run {number}"));
        }
        let verdict = audit::verify(database.connection()).unwrap();
        assert_eq!(verdict, Verdict::Intact { records: 4 });

        database.connection().execute_batch(tampering).unwrap();
        match audit::verify(database.connection()).unwrap() {
            Verdict::Broken { seq, .. } => assert_eq!(seq, at, "{tampering}"),
            Verdict::Intact { .. } => panic!("not found: {tampering}"),
        }
    }
}

#[test]
fn the_log_is_listed_by_unit_and_level() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&state_dir(&folder)).unwrap();
    append(&database, "build", Severity::Info, "a");
    append(&database, "alert", Severity::Error, "b");
    append(&database, "build", Severity::Error, "c");
    let filter = Filter {
        unit: Some("build".to_owned()),
        level: Some(Severity::Warning),
        since_msec: None,
    };
    let records = audit::list(database.connection(), &filter).unwrap();
    let whats: Vec<&str> = records.iter().map(|record| record.what.as_str()).collect();
    assert_eq!(whats, ["c"]);
}

#[test]
fn many_writers_at_once_keep_the_chain_whole() {
    let folder = TempDir::new().unwrap();
    let dir = state_dir(&folder);
    Database::open(&dir).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                let database = Database::open_again(dir).unwrap();
                for number in 0..10 {
                    append(
                        &database,
                        "build",
                        Severity::Info,
                        &format!("{writer}.{number}"),
                    );
                }
            });
        }
    });
    let database = Database::open(&dir).unwrap();
    let verdict = audit::verify(database.connection()).unwrap();
    assert_eq!(verdict, Verdict::Intact { records: 40 });
}
