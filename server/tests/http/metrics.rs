//! The page for Prometheus.

use std::collections::BTreeMap;

use super::{Served, client::call};

/// The families of a page, and every sample with its value; each line must be one that is understood.
fn parsed(page: &str) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let (mut types, mut helps, mut samples) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let lines: Vec<&str> = page.lines().collect();
    let (end, lines) = lines.split_last().unwrap();
    assert_eq!(*end, "# EOF");
    for line in lines {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (kind, name, text) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match kind {
                "HELP" => assert!(helps.insert(name.to_owned(), text).is_none(), "{name} is there twice"),
                "TYPE" => assert!(types.insert(name.to_owned(), text.to_owned()).is_none(), "{name}"),
                "UNIT" => assert!(name.ends_with(&format!("_{text}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let name = sample.split('{').next().unwrap();
        let known = |name: &str| types.contains_key(name) && helps.contains_key(name);
        let of = ["", "_total", "_bucket", "_sum", "_count"];
        let family = of.iter().filter_map(|suffix| name.strip_suffix(suffix)).find(|name| known(name));
        assert!(family.is_some(), "{line} has no HELP and TYPE before it");
        assert!(samples.insert(sample.to_owned(), value).is_none(), "{sample} is there twice");
    }
    assert!(helps.keys().eq(types.keys()));
    (types, samples)
}

#[test]
fn what_happened_is_counted() {
    let served = Served::start_cluster();
    let page = || {
        let reply = call(served.address(), "GET", "/metrics", &[], "");
        assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
        parsed(reply.text())
    };
    assert_eq!(served.post("SELECT 1 AS one UNION ALL SELECT 2", &[]).status, 200);
    assert_eq!(served.post("SELECT nothing", &[]).status, 400);
    call(served.address(), "POST", "/v1/load", &[], "no alignments");
    served.wait_until_nothing_runs();
    let (types, samples) = page();
    let of = |sample: &str| *samples.get(sample).unwrap_or_else(|| panic!("{sample}: {samples:?}"));
    assert_eq!(of("genomdb_queries_total{outcome=\"done\"}"), 1.0);
    assert_eq!(of("genomdb_query_rows_returned_total"), 2.0);
    assert_eq!(of("genomdb_loads_total{outcome=\"failed\"}"), 1.0);
    assert_eq!(of("genomdb_loads_running"), 0.0);
    let ok = "genomdb_http_requests_total{method=\"POST\",path=\"/v1/query\",status=\"200\"}";
    assert_eq!(of(ok), 1.0);
    assert!(of("genomdb_http_response_bytes_total") > 10.0);
    assert_eq!(of("genomdb_http_connections"), 1.0);
    assert_eq!(of("genomdb_cluster_nodes"), 1.0);
    assert!(of("genomdb_storage_state_bytes") > 0.0);
    #[cfg(target_os = "linux")]
    assert!(of("process_resident_memory_bytes") > 1e6 && of("process_cpu_seconds_total") > 0.0);
    assert_eq!(types.get("genomdb_query_duration_seconds").map(String::as_str), Some("histogram"));
    // Strange requests make no figures of their own.
    for path in ["/no", "/nowhere", "/v1/kv/%01"] {
        call(served.address(), "BREW", path, &[], "");
    }
    let (_, samples) = page();
    assert!(!samples.keys().any(|sample| sample.contains("BREW") || sample.contains("nowhere")));
}
