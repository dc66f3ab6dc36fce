//! Runs the tests of the independent checker, which is Python so that it shares nothing with what it checks.

use crate::run;

#[test]
fn the_checker_finds_what_is_wrong() {
    if !run::exists("python3") {
        println!("python3 is missing: the tests of verify_db.py did not run");
        let required = std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_some_and(|value| value == "1");
        assert!(!required, "VENUEKIT_REQUIRE_SERVICES=1 needs python3");
        return;
    }
    let tests = run::program("python3")
        .args(["-B", "-m", "unittest", "test_verify_db"])
        .current_dir(run::root().join("xtask"))
        .output()
        .expect("python3 starts");
    let report = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success() && report.contains("OK"), "{report}");
}
