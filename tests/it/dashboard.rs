//! The dashboard in a real browser, on real traffic. Pictures go to `dashboard` in the folder for test files.

use crate::browser::Browser;
use crate::harness::*;
use serde_json::json;
use std::path::PathBuf;

const HOSTILE: &str = r#"{\"id\":7,\"note\":\"<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u202e\",\"same\":[1,2,3]"#;

fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Two services that differ in one member, which carries what a hostile client would like to see on a page.
fn legs() -> (Upstream, Upstream) {
    let body = HOSTILE.replace("\\\"", "\"");
    let (old, new) = (format!("{body},\"total\":129.9}}"), format!("{body},\"total\":\"129.90\"}}"));
    let answer =
        |orders: String| move |seen: &Seen| json(200, if seen.path().starts_with("/orders") { &orders } else { "{}" });
    (Upstream::answering(answer(old)), Upstream::answering(answer(new)))
}

#[test]
fn every_page_on_real_traffic() {
    let Some(mut browser) = Browser::start() else { return };
    let (primary, candidate) = legs();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[gate]\ncriteria = [\"divergence\", \"unjudged\", \"minimum\"]\nmin_duration = \"0s\"\nmin_comparisons = 20\ntolerance = 0.01\n")
        .start();
    let (folder, admin) = (pictures(), format!("http://{}", proxy.admin));

    // Nothing yet: what to do, and ticks that fill by themselves.
    browser.look(1280, 900, false);
    browser.open(&format!("{admin}/"));
    browser.until("document.querySelectorAll('.ticks .waiting').length === 3");
    assert!(browser.text("document.querySelector('#first-request').textContent").contains(&proxy.listen.to_string()));
    accessible(&mut browser, "empty");
    browser.picture(&folder.join("empty.png"));
    browser.value("window.stayed = true");
    for n in 0..60 {
        proxy.get(&format!("/orders/{n}"));
        proxy.get(&format!("/users/{n}"));
    }
    proxy.settled(120);
    browser.until("document.querySelector('#verdict .chip').textContent.includes('FAIL')");
    browser.until("document.querySelector('#h-divergences') && document.querySelector('a.id')");
    assert_eq!(browser.value("window.stayed"), true, "the page was changed, not loaded again");
    assert_eq!(
        browser.value("document.querySelectorAll('[aria-live=polite]').length"),
        1,
        "only the verdict is read out"
    );

    // Focus, what was opened and where one had scrolled to stay while the numbers move.
    browser.value("scrollTo(0, 300); document.querySelector('a.id').focus({ preventScroll: true })");
    browser.value("document.querySelector('figure.chart details, details')?.setAttribute('open', '')");
    let before = browser.text("document.activeElement.textContent");
    let seen = "[...document.querySelectorAll('.account tfoot td')][0].textContent";
    for n in 0..20 {
        proxy.get(&format!("/orders/{n}"));
    }
    browser.until(&format!("{seen} === '140'"));
    assert_eq!(browser.text("document.activeElement.textContent"), before);
    assert_eq!(browser.value("scrollY"), 300);
    assert_eq!(browser.value("window.stayed"), true);
    browser.value("scrollTo(0, 0)");
    browser.picture(&folder.join("overview.png"));

    // One divergence, from the overview.
    browser.click("#h-divergences ~ * a.id");
    browser.until("document.querySelector('.diff mark')");
    let changed = "[...document.querySelectorAll('.diff tr.counts mark')].map(m => m.textContent).join(' ')";
    assert_eq!(browser.text(changed), "129.9 \"129.90\"");
    assert!(browser.text("document.querySelector('#rule').textContent").contains("at = \"json:$.total\""));
    assert_eq!(browser.value("typeof window.hacked"), "undefined", "hostile content is text");
    assert!(browser.text("document.querySelector('.diff').textContent").contains("<script>window.hacked=1</script>"));
    accessible(&mut browser, "one divergence");
    browser.picture(&folder.join("divergence.png"));

    // Every page by its link, none wider than a narrow window, in both schemes.
    for (name, heading) in [
        ("Divergences", "Divergences"),
        ("Routes", "Routes"),
        ("Rules", "Rules"),
        ("History", "History"),
        ("Settings", "Settings"),
        ("Overview", "Overview"),
    ] {
        let link =
            format!("[...document.querySelectorAll('.top nav a')].find(a => a.textContent.trim() === {})", json!(name));
        browser.value(&format!("{link}.click()"));
        browser.until(&format!(
            "document.querySelector('h1')?.textContent === {} && document.readyState === 'complete'",
            json!(heading)
        ));
        assert!(browser.text("location.search").contains("epoch=1"), "{name}: a link says which epoch it is about");
        for (width, dark) in [(1280, true), (360, false)] {
            browser.look(width, 900, dark);
            let wide = browser.value("document.documentElement.scrollWidth");
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{name} is {wide} wide in a window of {width}");
            let scheme = if dark { "dark" } else { "narrow" };
            accessible(&mut browser, &format!("{name}, {scheme}"));
            browser.picture(&folder.join(format!("{}-{scheme}.png", name.to_lowercase())));
        }
        browser.look(1280, 900, false);
    }
    browser.click("#h-routes ~ * tbody th a");
    browser.until("document.querySelector('h1')?.textContent.startsWith('GET /')");
    accessible(&mut browser, "one route");

    // By keyboard: the first stop skips to the content; the kill switch asks first, and Escape is a no.
    browser.open(&format!("{admin}/"));
    browser.press("Tab", 9);
    assert_eq!(browser.text("document.activeElement.className"), "skip");
    browser.value("document.querySelector('.switch button').focus()");
    browser.press("Enter", 13);
    browser.until("document.querySelector('#ask').open");
    browser.press("Escape", 27);
    browser.until("!document.querySelector('#ask').open");
    assert_eq!(proxy.admin("/api/v1/mirror").1["enabled"], true);

    // Confirmed, it holds: a banner says so everywhere, and who did it is told.
    browser.click(".switch button");
    browser.until("document.querySelector('#ask').open");
    browser.click("#ask-yes");
    browser.until("document.querySelector('.banner.alarm h2')?.textContent.includes('Mirroring is stopped')");
    assert_eq!(proxy.admin("/api/v1/mirror").1["enabled"], false);
    accessible(&mut browser, "stopped");
    browser.picture(&folder.join("stopped.png"));
    browser.open(&format!("{admin}/settings"));
    browser.until("document.querySelector('#h-deeds').closest('section').textContent.includes('mirroring stopped')");
    browser.click("button[data-do=epoch]");
    browser.value("document.querySelector('#ask-build').value = 'rc2'");
    browser.click("#ask-yes");
    browser.until("document.querySelector('.facts').textContent.includes('rc2')");
    browser.until(
        "document.querySelector('#h-deeds').closest('section').textContent.includes('new epoch started for build rc2')",
    );

    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing on the console, nothing against the policy");

    // Gone: the last numbers stay, greyed and with their age.
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0), "a live page does not hold up the end");
    browser.until("document.querySelector('#live.stale')");
    browser.until("/these numbers are \\d+ s old/.test(document.querySelector('#connection').textContent)");
    browser.picture(&folder.join("disconnected.png"));
}

/// With the path of an `axe.min.js` in `PARALLAX_AXE`: what the accessibility checker has against a page.
fn accessible(browser: &mut Browser, what: &str) {
    let Some(file) = std::env::var_os("PARALLAX_AXE") else { return };
    browser.value(&std::fs::read_to_string(file).unwrap());
    let found = browser.value(
        "axe.run(document, { resultTypes: ['violations'] }).then(r => r.violations.map(v => \
         `${v.id}: ${v.help}; ${v.nodes.slice(0, 3).map(n => n.html).join(' ')}`))",
    );
    assert_eq!(found, json!([]), "{what}");
}

#[test]
fn the_report_in_one_file_reads_by_itself() {
    let Some(mut browser) = Browser::start() else { return };
    let (primary, candidate) = legs();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    for n in 0..30 {
        proxy.get(&format!("/orders/{n}"));
    }
    proxy.settled(30);
    let file = pictures().join("report.html");
    let admin = format!("http://{}", proxy.admin);
    let output = parallax(&["report", "--admin", &admin, "--format", "html", "--output", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    browser.look(1280, 900, false);
    browser.open(&format!("file://{}", file.display()));
    assert!(browser.text("document.querySelector('h1').textContent").contains("INCONCLUSIVE"));
    assert!(browser.text("document.querySelector('.diff').textContent").contains("\"total\""));
    assert_eq!(browser.value("typeof window.hacked"), "undefined");
    assert_eq!(browser.value("performance.getEntriesByType('resource').length"), 0, "nothing is fetched");
    accessible(&mut browser, "the file");
    browser.picture(&pictures().join("report.png"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}
