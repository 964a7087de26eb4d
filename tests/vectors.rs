//! Reads every `stats-*.json` of the folder in `PARALLAX_VECTORS` (default: the copy beside this file) and holds the
//! statistics against them. Every case that differs is named.

#![expect(clippy::unwrap_used, reason = "a malformed vector file is a failed test")]

use hdrhistogram::Histogram;
use parallax::stats::{self, BlockBets, Sums, Unseen};
use serde_json::Value;
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
        let text = std::fs::read_to_string(path).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", name(path)));
        check_file(name(path), &file, &mut faults);
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
        _ => panic!("{name}: no check for this kind of vectors"),
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
    for (key, value) in file.as_object().unwrap_or_else(|| panic!("{name}: not an object")) {
        let Some(cases) = value.as_array() else { continue };
        let (_, check) =
            lists.iter().find(|(list, _)| list == key).unwrap_or_else(|| panic!("{name}: unknown list {key}"));
        for (i, case) in cases.iter().enumerate() {
            let case_name = case["name"].as_str().map(|n| format!(" ({n})")).unwrap_or_default();
            faults.place = format!("{name} {key}[{i}]{case_name}");
            faults.checked += 1;
            any = true;
            check(case, faults);
        }
    }
    assert!(any, "{name}: no case");
}

fn bernoulli(case: &Value, faults: &mut Faults) {
    let (n, a, m, alpha) = (u(case, "n"), u(case, "divergent"), f(case, "tolerance"), f(case, "alpha"));
    let sums = Sums::binary(n, a);
    let (pass, fail) = (stats::ln_e_pass(n, a, 0, m), stats::ln_e_fail_binary(n, a, m));
    ln_e(case, faults, pass, fail);
    bounds(case, faults, stats::lower(sums, alpha), stats::upper(sums, alpha));
    faults.same("verdict", verdict(pass, fail, alpha), case["verdict"].as_str().unwrap());
}

fn paired(case: &Value, faults: &mut Faults) {
    let (n, a, b) = (u(case, "n"), u(case, "candidate_only"), u(case, "control_only"));
    let (m, alpha) = (f(case, "tolerance"), f(case, "alpha"));
    let sums = Sums::paired(n, a, b);
    let (pass, fail) = (stats::ln_e_pass(n, a, b, m), stats::ln_e_fail_paired(n, a, b, m));
    ln_e(case, faults, pass, fail);
    bounds(case, faults, stats::lower_paired(sums, alpha), stats::upper_paired(sums, alpha));
    faults.same("verdict", verdict(pass, fail, alpha), case["verdict"].as_str().unwrap());
    faults.same("has an excess", sums.mean().is_some(), !case["excess"].is_null());
    if let Some(excess) = case["excess"].as_f64() {
        faults.near("excess", sums.mean().unwrap_or(f64::NAN), excess, 1e-12, 1e-9);
    }
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
        faults.near(&format!("{what} lower"), low, case[what][0].as_f64().unwrap(), abs, rel);
        faults.near(&format!("{what} upper"), high, case[what][1].as_f64().unwrap(), abs, rel);
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
        let [value, lowest, highest] = [0, 1, 2].map(|i| triple[i].as_u64().unwrap());
        faults.same(&format!("lowest of {value}"), histogram.lowest_equivalent(value), lowest);
        faults.same(&format!("highest of {value}"), histogram.highest_equivalent(value), highest);
    }
}

fn quantile(case: &Value, faults: &mut Faults) {
    ranks(case, faults);
    let digits = u(case, "significant_figures") as u8;
    let [primary, candidate] = ["primary", "candidate"].map(|leg| {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, digits).unwrap();
        for pair in case[leg]["values"].as_array().unwrap() {
            histogram.record_n(pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap()).unwrap();
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
    faults.same("verdict", verdict, case["verdict"].as_str().unwrap());
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
    let firsts = us(case, "first_seen_at");
    let mut unseen = Unseen::default();
    (0..n).for_each(|i| unseen.observe(firsts.contains(&i)));
    let windows: Vec<_> = unseen.windows().iter().map(|w| (w.n, w.new)).collect();
    let expected: Vec<_> = case["windows"].as_array().unwrap().iter().map(|w| (u(w, "n"), u(w, "new"))).collect();
    faults.same("windows", windows, expected);
    let (abs, rel) = (tol(case, "abs", 1e-9), tol(case, "rel", 1e-6));
    let whole = stats::upper(Sums::binary(n, distinct), alpha);
    faults.near("upper_whole_run", whole, f(case, "upper_whole_run"), abs, rel);
    faults.near("upper_dyadic", unseen.upper(alpha), f(case, "upper_dyadic"), abs, rel);
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
    let rel = tol(case, "bound_rel", 1e-6);
    let given = tol(case, "bound_abs", 1e-9);
    // An absolute tolerance of 1e-9 would say nothing of a rate's bound at 4e-9; an excess has no such scale.
    let rate = case["candidate_only"].is_null();
    let abs = |v: f64| if rate && v != 0.0 { given.min(1e-3 * v.abs()) } else { given };
    faults.near("lower", lower, f(case, "lower"), abs(f(case, "lower")), rel);
    faults.near("upper", upper, f(case, "upper"), abs(f(case, "upper")), rel);
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
    case[key].as_f64().unwrap_or_else(|| panic!("no number `{key}` in {case}"))
}

fn u(case: &Value, key: &str) -> u64 {
    case[key].as_u64().unwrap_or_else(|| panic!("no count `{key}` in {case}"))
}

fn fs(case: &Value, key: &str) -> Vec<f64> {
    case[key].as_array().unwrap_or_else(|| panic!("no list `{key}`")).iter().map(|v| v.as_f64().unwrap()).collect()
}

fn us(case: &Value, key: &str) -> Vec<u64> {
    case[key].as_array().unwrap_or_else(|| panic!("no list `{key}`")).iter().map(|v| v.as_u64().unwrap()).collect()
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
