//! Categories and tags, as the real server has them and each login sees them.

use super::rig::{OWNER_KEY, RADARR_KEY, Rig, SONARR_KEY, check, field};

#[test]
fn categories_follow_the_real_server() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[("category", "new one")]);
    let set = |category: &str| format!("hashes={hash}&category={category}");
    check(
        &rig,
        &sid,
        &[
            (
                "torrents/categories",
                "",
                200,
                r#"{"new one":{"name":"new one","savePath":""}}"#,
            ),
            ("torrents/createCategory", "", 400, "Bad Request"),
            (
                "torrents/createCategory",
                "category=",
                400,
                "Category cannot be empty",
            ),
            (
                "torrents/createCategory",
                "category=a//b",
                409,
                "Incorrect category name",
            ),
            (
                "torrents/createCategory",
                "category=new+one",
                409,
                "Unable to create category",
            ),
            ("torrents/createCategory", "category=b&savePath=/x", 200, ""),
            (
                "torrents/editCategory",
                "category=b&savePath=/x",
                409,
                "Unable to edit category",
            ),
            ("torrents/editCategory", "category=b&savePath=/y", 200, ""),
            (
                "torrents/editCategory",
                "category=nope&savePath=/y",
                409,
                "Unable to edit category",
            ),
            (
                "torrents/editCategory",
                "category=&savePath=/y",
                400,
                "Category cannot be empty",
            ),
            ("torrents/editCategory", "category=b", 400, "Bad Request"),
            (
                "torrents/setCategory",
                &set("nope"),
                409,
                "Incorrect category name",
            ),
            ("torrents/setCategory", "hashes=11&category=nope", 200, ""),
            ("torrents/setCategory", &set("b"), 200, ""),
            (
                "torrents/removeCategories",
                "categories=new+one%0Anope",
                200,
                "",
            ),
            (
                "torrents/categories",
                "",
                200,
                r#"{"b":{"name":"b","savePath":"/y"}}"#,
            ),
        ],
    );
    let list = rig.get(&sid, "torrents/info?category=b").body;
    assert_eq!(field(&list, "category"), "\"b\"");
    check(
        &rig,
        &sid,
        &[("torrents/removeCategories", "categories=b", 200, "")],
    );
    assert_eq!(rig.get(&sid, "torrents/info?category=b").body, "[]");
    let list = rig.get(&sid, "torrents/info?category=").body;
    assert_eq!(field(&list, "category"), "\"\"");
}

#[test]
fn removing_a_category_leaves_the_same_hash_of_another_login_alone() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    rig.add(&radarr, "A", &[("category", "films")]);
    rig.add(&sonarr, "A", &[("category", "tv")]);
    check(
        &rig,
        &owner,
        &[("torrents/removeCategories", "categories=tv", 200, "")],
    );
    let category = |sid| field(&rig.get(sid, "torrents/info").body, "category");
    assert_eq!(category(&sonarr), "\"\"");
    assert_eq!(category(&radarr), "\"films\"");
}

/// An arr's list of torrents never names a label that its list of labels does not have.
#[test]
fn labels_that_the_owner_gives_an_arrs_grab_are_that_arrs_too() {
    let rig = Rig::new();
    let radarr = rig.login("Main Radarr", RADARR_KEY);
    let sonarr = rig.login("Sonarr", SONARR_KEY);
    let owner = rig.login("me", OWNER_KEY);
    let hash = rig.add(&radarr, "A", &[]);
    rig.add(&sonarr, "B", &[]);
    let category = r#"{"films":{"name":"films","savePath":"/x"}}"#;
    let form = |rest: &str| format!("hashes={hash}{rest}");
    check(
        &rig,
        &owner,
        &[
            (
                "torrents/createCategory",
                "category=films&savePath=/x",
                200,
                "",
            ),
            ("torrents/setCategory", &form("&category=films"), 200, ""),
            ("torrents/addTags", &form("&tags=hd"), 200, ""),
            ("torrents/categories", "", 200, category),
        ],
    );
    check(
        &rig,
        &radarr,
        &[
            ("torrents/categories", "", 200, category),
            ("torrents/tags", "", 200, r#"["hd"]"#),
        ],
    );
    check(
        &rig,
        &sonarr,
        &[
            ("torrents/categories", "", 200, "{}"),
            ("torrents/tags", "", 200, "[]"),
        ],
    );
}

#[test]
fn tags_follow_the_real_server() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let hash = rig.add(&sid, "A", &[]);
    let with = |tags: &str| format!("hashes={hash}&tags={tags}");
    let tags_of = || field(&rig.get(&sid, "torrents/info").body, "tags");
    check(
        &rig,
        &sid,
        &[("torrents/createTags", "tags=z,+y,,z", 200, "")],
    );
    check(&rig, &sid, &[("torrents/addTags", &with("b,a"), 200, "")]);
    assert_eq!(tags_of(), "\"a, b\"");
    assert_eq!(rig.get(&sid, "torrents/tags").body, r#"["a","b","y","z"]"#);
    assert_eq!(
        field(&rig.get(&sid, "torrents/info?tag=b").body, "tags"),
        "\"a, b\""
    );
    check(&rig, &sid, &[("torrents/removeTags", &with("b"), 200, "")]);
    assert_eq!(tags_of(), "\"a\"");
    check(&rig, &sid, &[("torrents/addTags", &with("c"), 200, "")]);
    check(
        &rig,
        &sid,
        &[("torrents/deleteTags", "tags=a,nope", 200, "")],
    );
    assert_eq!(tags_of(), "\"c\"");
    check(
        &rig,
        &sid,
        &[("torrents/removeTags", &format!("hashes={hash}"), 200, "")],
    );
    assert_eq!(tags_of(), "\"\"");
    assert_eq!(rig.get(&sid, "torrents/tags").body, r#"["b","c","y","z"]"#);
}
