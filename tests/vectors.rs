//! Reads every `stats-*.json` of the folder in `PARALLAX_VECTORS` (default: the copy beside this file) and holds the
//! statistics against them. Every case that differs is named.

#![expect(clippy::unwrap_used, reason = "a malformed vector file is a failed test")]

use hdrhistogram::Histogram;
use parallax::stats::{self, BlockBets, Sums, Unseen};
use serde_json::Value;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Checks one case of a list.
type Check = fn(&Value, &mut Faults);

/// What went wrong, over all files.
#[derive(Default)]
struct Faults {
    place: String,
    checked: usize,
    found: Vec<String>,
}

#[test]
fn every_vector_holds() {
    let folder = std::env::var_os("PARALLAX_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), PathBuf::from);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("cannot read the vectors in {}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| name(path).starts_with("stats-") && name(path).ends_with(".json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no stats-*.json in {}", folder.display());
    let mut faults = Faults::default();
    for path in &files {
        faults.place = name(path).to_owned();
        // What Python writes for numbers that JSON does not have.
        let text =
            std::fs::read_to_string(path).unwrap().replace("-Infinity", "\"-inf\"").replace("Infinity", "\"inf\"");
        match serde_json::from_str(&text) {
            Ok(file) => check_file(name(path), &file, &mut faults),
            Err(e) => faults.fail(format!("not JSON: {e}")),
        }
    }
    assert!(faults.checked > 0, "the files in {} hold no case", folder.display());
    assert!(faults.found.is_empty(), "{} faults:\n{}", faults.found.len(), faults.found.join("\n"));
}

fn check_file(name: &str, file: &Value, faults: &mut Faults) {
    let kind = name.trim_start_matches("stats-").trim_end_matches(".json");
    // A second file of a kind may carry a suffix: stats-paired-more.json.
    let known =
        ["bernoulli", "betabinomial", "block", "eta", "fixed-n", "multiplicity", "paired", "quantile", "unseen"];
    let kind = known.into_iter().find(|k| kind == *k || kind.strip_prefix(k).is_some_and(|rest| rest.starts_with('-')));
    let check: Check = match kind {
        Some("bernoulli") => bernoulli,
        Some("paired") => paired,
        Some("block") => block,
        Some("eta") => eta,
        Some("fixed-n") => fixed,
        Some("quantile") => quantile,
        Some("unseen") => unseen,
        Some("multiplicity") => no_case,
        // The beta-binomial mixture is an optional cross-check of a statistic that is not used here.
        Some("betabinomial") => return,
        _ => return faults.fail("no check for this kind of vectors".to_owned()),
    };
    let lists: &[(&str, Check)] = &[
        ("cases", check),
        ("clean", clean),
        ("ranks", ranks),
        ("hdr_buckets", buckets),
        ("e_bh", e_bh),
        ("weighted", weighted),
        ("spend", spend),
    ];
    let mut any = false;
    let Some(fields) = file.as_object() else { return faults.fail("not an object".to_owned()) };
    for (key, value) in fields {
        // What is no list describes the file.
        let Some(cases) = value.as_array() else { continue };
        let Some((_, check)) = lists.iter().find(|(list, _)| list == key) else {
            faults.fail(format!("no check for the list {key}"));
            continue;
        };
        for (i, case) in cases.iter().enumerate() {
            let case_name = case["name"].as_str().map(|n| format!(" ({n})")).unwrap_or_default();
            faults.place = format!("{name} {key}[{i}]{case_name}");
            faults.checked += 1;
            any = true;
            // A case that lacks something is named like one that differs, and the others are still looked at.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(case, faults))) {
                let what = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it broke off".to_owned());
                faults.fail(what);
            }
        }
        faults.place = name.to_owned();
    }
    if !any {
        faults.fail("no case".to_owned());
    }
}

fn bernoulli(case: &Value, faults: &mut Faults) {
    let (n, a, m, alpha) = (u(case, "n"), u(case, "divergent"), f(case, "tolerance"), f(case, "alpha"));
    let sums = Sums::binary(n, a);
    let (pass, fail) = (stats::ln_e_pass(n, a, 0, m), stats::ln_e_fail_binary(n, a, m));
    ln_e(case, faults, pass, fail);
    bounds(case, faults, stats::lower(sums, alpha), stats::upper(sums, alpha));
    faults.same("verdict", verdict(pass, fail, alpha), word(case, "verdict"));
}

fn paired(case: &Value, faults: &mut Faults) {
    let (n, a, b) = (u(case, "n"), u(case, "candidate_only"), u(case, "control_only"));
    let (m, alpha) = (f(case, "tolerance"), f(case, "alpha"));
    let sums = Sums::paired(n, a, b);
    let (pass, fail) = (stats::ln_e_pass(n, a, b, m), stats::ln_e_fail_paired(n, a, b, m));
    ln_e(case, faults, pass, fail);
    bounds(case, faults, stats::lower_paired(sums, alpha), stats::upper_paired(sums, alpha));
    faults.same("verdict", verdict(pass, fail, alpha), word(case, "verdict"));
    faults.near_or_none("excess", sums.mean(), case["excess"].as_f64(), 1e-12, 1e-9);
}

fn block(case: &Value, faults: &mut Faults) {
    let m = f(case, "tolerance");
    let blocks: Vec<(u64, u64)> = us(case, "block_n").into_iter().zip(us(case, "block_hits")).collect();
    let mut all = BlockBets::new(m);
    blocks.iter().for_each(|&(n, hits)| all.add(n, hits));
    // Two instances that saw every other block, merged, are one that saw all.
    let mut halves = [BlockBets::new(m), BlockBets::new(m)];
    blocks.iter().enumerate().for_each(|(i, &(n, hits))| halves[i % 2].add(n, hits));
    let [mut merged, other] = halves;
    merged.merge(&other);
    for bets in [all, merged] {
        ln_e(case, faults, bets.ln_e_pass(), bets.ln_e_fail());
    }
}

fn eta(case: &Value, faults: &mut Faults) {
    let (n, a) = (u(case, "n"), u(case, "divergent"));
    faults.near("assumed_rate", stats::assumed_rate(n as f64, a as f64), f(case, "assumed_rate"), 1e-15, 1e-9);
    let more = stats::samples_to_pass(Sums::binary(n, a), f(case, "tolerance"), f(case, "alpha"));
    let (abs, rel) = (tol(case, "abs", 1.0), tol(case, "rel", 1e-6));
    faults.near_or_none(
        "more_samples_to_pass",
        more.map(|k| k as f64),
        case["more_samples_to_pass"].as_f64(),
        abs,
        rel,
    );
}

fn fixed(case: &Value, faults: &mut Faults) {
    let (n, a, alpha) = (u(case, "n"), u(case, "divergent"), f(case, "alpha"));
    let (abs, rel) = (tol(case, "abs", 1e-12), tol(case, "rel", 1e-8));
    let exact = stats::clopper_pearson(n, a, alpha);
    let score = stats::wilson(n, a, alpha);
    for (what, (low, high)) in [("clopper_pearson", exact), ("wilson", score)] {
        let Some([lower, upper]) = case[what].as_array().map(Vec::as_slice) else {
            panic!("`{what}` is not two numbers");
        };
        faults.near(&format!("{what} lower"), low, number(lower, what), abs, rel);
        faults.near(&format!("{what} upper"), high, number(upper, what), abs, rel);
    }
    let one_sided = stats::clopper_pearson_upper(n, a, alpha);
    faults.near("cp_one_sided_upper", one_sided, f(case, "cp_one_sided_upper"), abs, rel);
}

fn clean(case: &Value, faults: &mut Faults) {
    let (m, alpha) = (f(case, "tolerance"), f(case, "alpha"));
    let needed = stats::samples_to_pass(Sums::default(), m, alpha);
    faults.same("clean_samples_to_pass", needed, case["clean_samples_to_pass"].as_u64());
    faults.same("fixed_n_zero_failures", stats::zero_failures(m, alpha), u(case, "fixed_n_zero_failures"));
    faults.near("rule_of_three", stats::rule_of_three(m), f(case, "rule_of_three"), 0.0, 1e-12);
}

fn ranks(case: &Value, faults: &mut Faults) {
    let ranks = stats::ranks(u(case, "n"), f(case, "quantile"), f(case, "alpha"));
    faults.same("rank_lower", ranks.lower, case["rank_lower"].as_u64());
    faults.same("rank_upper", ranks.upper, case["rank_upper"].as_u64());
}

fn buckets(case: &Value, faults: &mut Faults) {
    let digits = u(case, "significant_figures") as u8;
    let histogram = Histogram::<u64>::new_with_bounds(u(case, "lowest"), u(case, "highest"), digits).unwrap();
    faults.same("counts_len", histogram.distinct_values() as u64, u(case, "counts_len"));
    for triple in case["equivalents"].as_array().unwrap() {
        let [value, lowest, highest] = [0, 1, 2].map(|i| whole(&triple[i], "equivalents"));
        faults.same(&format!("lowest of {value}"), histogram.lowest_equivalent(value), lowest);
        faults.same(&format!("highest of {value}"), histogram.highest_equivalent(value), highest);
    }
}

fn quantile(case: &Value, faults: &mut Faults) {
    ranks(case, faults);
    let digits = u(case, "significant_figures") as u8;
    let [primary, candidate] = ["primary", "candidate"].map(|leg| {
        // Where its buckets begin and end does not depend on how far it reaches.
        let mut histogram = Histogram::<u64>::new(digits).unwrap();
        for pair in case[leg]["values"].as_array().unwrap_or_else(|| panic!("no `values` of {leg}")) {
            histogram.record_n(whole(&pair[0], "a value"), whole(&pair[1], "a count")).unwrap();
        }
        let interval = stats::interval(&histogram, f(case, "quantile"), f(case, "alpha"));
        faults.same(&format!("{leg} lower"), interval.lower, case[leg]["lower"].as_u64());
        faults.same(&format!("{leg} upper"), interval.upper, case[leg]["upper"].as_u64());
        interval
    });
    let limit = f(case, "ratio_limit");
    let below = |a: Option<u64>, b: Option<u64>| matches!((a, b), (Some(a), Some(b)) if a as f64 <= limit * b as f64);
    let above = |a: Option<u64>, b: Option<u64>| matches!((a, b), (Some(a), Some(b)) if a as f64 > limit * b as f64);
    let verdict = if above(candidate.lower, primary.upper) {
        "fail"
    } else if below(candidate.upper, primary.lower) {
        "pass"
    } else {
        "inconclusive"
    };
    faults.same("verdict", verdict, word(case, "verdict"));
}

fn e_bh(case: &Value, faults: &mut Faults) {
    let (ln_e, q) = (fs(case, "log_e_fail"), f(case, "alpha"));
    let indices = |key: &str| us(case, key).into_iter().map(|i| i as usize).collect::<Vec<_>>();
    faults.same("e_bh_rejected", stats::e_bh(&ln_e, q), indices("e_bh_rejected"));
    let even = 1.0 / ln_e.len() as f64;
    let rejected = (0..ln_e.len()).filter(|&i| stats::fails_weighted(ln_e[i], even, q)).collect::<Vec<_>>();
    faults.same("bonferroni_rejected", rejected, indices("bonferroni_rejected"));
}

fn weighted(case: &Value, faults: &mut Faults) {
    let (ln_e, weights, alpha) = (fs(case, "log_e_fail"), fs(case, "weights"), f(case, "alpha"));
    let failed: Vec<u64> =
        (0..ln_e.len()).filter(|&i| stats::fails_weighted(ln_e[i], weights[i], alpha)).map(|i| i as u64).collect();
    faults.same("failed", failed, us(case, "failed"));
    let average = stats::log_average_e(&ln_e, &weights);
    faults.near("log_average_e", average, f(case, "log_average_e"), tol(case, "abs", 1e-9), 1e-12);
}

fn spend(case: &Value, faults: &mut Faults) {
    let alpha = stats::spend(f(case, "alpha"), u(case, "epoch"));
    faults.near("alpha_epoch", alpha, f(case, "alpha_epoch"), 0.0, tol(case, "rel", 1e-12));
}

fn unseen(case: &Value, faults: &mut Faults) {
    let (n, distinct, alpha) = (u(case, "n"), u(case, "distinct"), f(case, "alpha"));
    let firsts: HashSet<u64> = us(case, "first_seen_at").into_iter().collect();
    let mut unseen = Unseen::default();
    (0..n).for_each(|i| unseen.observe(firsts.contains(&i)));
    let windows: Vec<_> = unseen.windows().iter().map(|w| (w.n, w.new)).collect();
    let expected = case["windows"].as_array().unwrap_or_else(|| panic!("no list `windows`"));
    let expected: Vec<_> = expected.iter().map(|w| (u(w, "n"), u(w, "new"))).collect();
    faults.same("windows", windows, expected);
    let (abs, rel) = (tol(case, "abs", 1e-9), tol(case, "rel", 1e-6));
    let whole = stats::upper(Sums::binary(n, distinct), alpha);
    faults.near("upper_whole_run", whole, f(case, "upper_whole_run"), abs, rel);
    faults.near("upper_dyadic", unseen.upper(alpha, 1.0), f(case, "upper_dyadic"), abs, rel);
    let estimate = stats::good_turing(u(case, "singletons"), n);
    faults.near("good_turing_unseen_mass", estimate, f(case, "good_turing_unseen_mass"), abs, rel);
}

fn no_case(_: &Value, faults: &mut Faults) {
    faults.fail("this kind of file has no `cases`".to_string());
}

fn ln_e(case: &Value, faults: &mut Faults, pass: f64, fail: f64) {
    let (abs, rel) = (tol(case, "log_e_abs", 1e-6), tol(case, "log_e_rel", 1e-9));
    faults.near("log_e_pass", pass, f(case, "log_e_pass"), abs, rel);
    faults.near("log_e_fail", fail, f(case, "log_e_fail"), abs, rel);
}

fn bounds(case: &Value, faults: &mut Faults, lower: f64, upper: f64) {
    let (abs, rel) = (tol(case, "bound_abs", 0.0), tol(case, "bound_rel", 1e-6));
    faults.near("lower", lower, f(case, "lower"), abs, rel);
    faults.near("upper", upper, f(case, "upper"), abs, rel);
}

fn verdict(pass: f64, fail: f64, alpha: f64) -> &'static str {
    match (pass >= stats::threshold(alpha), fail >= stats::threshold(alpha)) {
        (_, true) => "fail",
        (true, false) => "pass",
        (false, false) => "inconclusive",
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or("")
}

fn f(case: &Value, key: &str) -> f64 {
    number(&case[key], key)
}

fn u(case: &Value, key: &str) -> u64 {
    whole(&case[key], key)
}

fn fs(case: &Value, key: &str) -> Vec<f64> {
    list(case, key).iter().map(|v| number(v, key)).collect()
}

fn us(case: &Value, key: &str) -> Vec<u64> {
    list(case, key).iter().map(|v| whole(v, key)).collect()
}

fn list<'a>(case: &'a Value, key: &str) -> &'a [Value] {
    case[key].as_array().unwrap_or_else(|| panic!("no list `{key}`"))
}

fn word<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("no word `{key}`"))
}

fn number(value: &Value, key: &str) -> f64 {
    let infinite = |text: &str| match text {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    value.as_f64().or_else(|| infinite(value.as_str()?)).unwrap_or_else(|| panic!("`{key}` is no number: {value}"))
}

/// A count, written as 1000 or 1e3.
fn whole(value: &Value, key: &str) -> u64 {
    let float = || value.as_f64().filter(|v| *v >= 0.0 && v.fract() == 0.0 && *v < 1e18).map(|v| v as u64);
    value.as_u64().or_else(float).unwrap_or_else(|| panic!("`{key}` is no count: {value}"))
}

/// A tolerance of the case, or the one given where it names none. One that names only the other kind means 0.
fn tol(case: &Value, key: &str, default: f64) -> f64 {
    let same_quantity = |k: &String| k.rsplit('_').nth(1) == key.rsplit('_').nth(1);
    match case["tol"].as_object() {
        Some(given) if given.keys().any(same_quantity) => given.get(key).and_then(Value::as_f64).unwrap_or(0.0),
        _ => default,
    }
}

// === impl Faults ===

impl Faults {
    fn fail(&mut self, what: String) {
        self.found.push(format!("{}: {what}", self.place));
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: T, expected: T) {
        if got != expected {
            self.fail(format!("{what}: got {got:?}, expected {expected:?}"));
        }
    }

    fn near(&mut self, what: &str, got: f64, expected: f64, abs: f64, rel: f64) {
        let close = got == expected || (got - expected).abs() <= abs + rel * expected.abs();
        if !close {
            self.fail(format!("{what}: got {got:e}, expected {expected:e}"));
        }
    }

    fn near_or_none(&mut self, what: &str, got: Option<f64>, expected: Option<f64>, abs: f64, rel: f64) {
        match (got, expected) {
            (Some(got), Some(expected)) => self.near(what, got, expected, abs, rel),
            (None, None) => {}
            _ => self.fail(format!("{what}: got {got:?}, expected {expected:?}")),
        }
    }
}
