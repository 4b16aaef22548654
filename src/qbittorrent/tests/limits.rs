//! Limits of a grab and of all: stored, shown, in force.

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, check, field};
use crate::config::AfterImport;

#[test]
fn keep_mode_shows_no_limit_that_is_met() {
    let rig = Rig::with(true, AfterImport::Keep);
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[("ratioLimit", "2")]);
    rig.force_state(&hash, "imported");
    assert_eq!(
        field(&rig.get(&sid, "torrents/info").body, "ratio_limit"),
        "-2"
    );
}

#[test]
fn limits_are_stored_and_shown() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let form = |rest: &str| format!("hashes={hash}{rest}");
    // Keys are sorted as text.
    let mut shown = [
        "\"1111111111111111111111111111111111111111\":-1".to_string(),
        format!("\"{hash}\":5000"),
        "\"all\":-1".to_string(),
    ];
    shown.sort();
    let shown = format!("{{{}}}", shown.join(","));
    check(
        &rig,
        &sid,
        &[
            ("torrents/setDownloadLimit", &form("&limit=5000"), 200, ""),
            ("torrents/setUploadLimit", &form("&limit=-1"), 200, ""),
            (
                "torrents/downloadLimit",
                &form("|1111111111111111111111111111111111111111|all"),
                200,
                &shown,
            ),
            (
                "torrents/uploadLimit",
                &form(""),
                200,
                &format!("{{\"{hash}\":0}}"),
            ),
            ("torrents/setShareLimits", &form("&ratioLimit=1.5"), 200, ""),
            ("torrents/setShareLimits", &form(""), 400, "Bad Request"),
            (
                "torrents/setShareLimits",
                &form("&ratioLimit=-1&seedingTimeLimit=9&inactiveSeedingTimeLimit=-2"),
                200,
                "",
            ),
        ],
    );
    let list = rig.get(&sid, "torrents/info").body;
    assert_eq!(field(&list, "dl_limit"), "5000");
    assert_eq!(field(&list, "ratio_limit"), "-1");
    assert_eq!(field(&list, "seeding_time_limit"), "9");
}

#[test]
fn global_limits_are_in_force_and_in_whole_kib() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let downloads = rig.services.downloads.as_ref().unwrap();
    check(
        &rig,
        &sid,
        &[
            ("transfer/setDownloadLimit", "limit=5000", 200, ""),
            ("transfer/downloadLimit", "", 200, "4096"),
            ("transfer/setUploadLimit", "limit=2048", 200, ""),
            ("transfer/uploadLimit", "", 200, "2048"),
            ("transfer/speedLimitsMode", "", 200, "0"),
        ],
    );
    assert_eq!(downloads.global_limit(), 4096);
    check(
        &rig,
        &sid,
        &[
            ("transfer/toggleSpeedLimitsMode", "", 200, ""),
            ("transfer/speedLimitsMode", "", 200, "1"),
            ("transfer/downloadLimit", "", 200, "10240"),
            (
                "transfer/setSpeedLimitsMode",
                "mode=x",
                400,
                "'mode': invalid argument",
            ),
            ("transfer/setSpeedLimitsMode", "mode=0", 200, ""),
            ("app/setPreferences", "", 400, "Bad Request"),
            ("app/setPreferences", "json=%5B%5D", 200, ""),
            ("app/setPreferences", "json=nonsense", 200, ""),
            (
                "app/setPreferences",
                "json=%7B%22dl_limit%22%3A8193%7D",
                200,
                "",
            ),
            ("transfer/downloadLimit", "", 200, "8192"),
            ("transfer/setDownloadLimit", "limit=0", 200, ""),
            ("transfer/downloadLimit", "", 200, "0"),
        ],
    );
    assert_eq!(downloads.global_limit(), 0);
}
