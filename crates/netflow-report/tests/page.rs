//! What every page has, and what none may have.

use std::time::Duration;

use jiff::tz::TimeZone;
use netflow_report::{
    Amount, Basis, Connection, Connections, Correction, Direction, End, Exporter, Loss, LossWindow, Ranked,
    Ranking, Report, Series, SystemsByInterface, Timeline, Totals,
};
use netflow_templates::Timestamp;

/// A report in which every text is `text`, with so many of everything.
fn report(text: &str, number: usize) -> Report {
    let amount = Amount { bytes: 1_000_000, packets: 1_000, flows: 10 };
    let text = || text.to_owned();
    let series =
        || Series { name: text(), bytes: (0..number as u64).map(|bucket| bucket * 99_991).collect() };
    let end = || End { address: text(), port: 40_000, name: text(), bytes: 5_000, packets: 10 };
    let loss = Loss {
        unit: text(),
        expected: Some(1_000_000),
        lost: 1_234,
        duplicates: 1,
        reordered: 2,
        restarts: 3,
        undecoded_sets: 4,
        windows: (0..number as i64)
            .map(|window| LossWindow {
                start: Timestamp::from_secs(window * 300),
                expected: 100,
                lost: (window % 7) as u64,
            })
            .collect(),
    };
    let systems = |direction| SystemsByInterface {
        direction,
        note: text(),
        correction: Some(Correction::Counters),
        systems: (0..12).map(|_| (text(), text())).collect(),
        interfaces: (0..9).map(|number| (text(), vec![number; 12])).collect(),
    };
    Report {
        made_by: text(),
        basis: Basis {
            filter: Some(text()),
            from: Some(Timestamp::EPOCH),
            to: Some(Timestamp::from_secs(86_400)),
            correction: Correction::Scaled(1, 1_000),
        },
        totals: Totals { amount, exporters: 2, interfaces: 7, files: 3 },
        warnings: vec![text()],
        notes: vec![text()],
        timelines: (0..7)
            .map(|_| Timeline {
                by: text(),
                note: text(),
                correction: None,
                start: Timestamp::EPOCH,
                step: Duration::from_secs(300),
                series: (0..8).map(|_| series()).collect(),
                rest: Some(series()),
            })
            .collect(),
        rankings: (0..8)
            .map(|_| Ranking {
                title: text(),
                heading: text(),
                note: text(),
                rows: (0..20)
                    .map(|_| Ranked { name: vec![text(), text()], detail: text(), amount })
                    .collect(),
                distinct: Some(12_345),
                ..Ranking::default()
            })
            .collect(),
        systems_by_interface: vec![systems(Direction::In), systems(Direction::Out)],
        connections: Connections {
            rows: (0..number)
                .map(|_| Connection {
                    start: Some(Timestamp::EPOCH),
                    duration: Duration::from_secs(10),
                    service: text(),
                    protocol: text(),
                    client: end(),
                    server: end(),
                    seen_by: text(),
                })
                .collect(),
            total: 999_999,
            note: text(),
        },
        exporters: vec![Exporter {
            address: [192, 0, 2, 1].into(),
            domain: 0,
            versions: vec![5, 10],
            templates: (256..300).collect(),
            amount,
            sampling: vec![(1_000, text())],
            loss: Some(loss),
        }],
        ..Report::new(text(), TimeZone::UTC)
    }
}

/// What is markup in a page: all between `<` and `>`.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag).collect()
}

#[test]
fn texts_of_others_are_never_markup() {
    let hostile =
        "</script></style></title><script>alert(1)</script><img src=x onerror=\"a()\">'\"&lt; --> ]]> {{x}}";
    let page = report(hostile, 20).to_html();
    let harmless = report("text", 20).to_html();
    let names = |page: &str| -> Vec<String> {
        tags(page).iter().map(|tag| tag.split_whitespace().next().unwrap_or_default().to_owned()).collect()
    };
    // The very same elements, whatever the texts are; and no attribute more.
    assert_eq!(names(&page), names(&harmless));
    let quotes = |page: &str| tags(page).iter().map(|tag| tag.matches('"').count()).collect::<Vec<_>>();
    assert_eq!(quotes(&page), quotes(&harmless));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!page.contains("<script>alert"));
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = report("text", 20).to_html();
    for reference in
        ["http:", "https:", "src=", "url(", "@import", "<link", "<iframe", "<object", "<base", "<form"]
    {
        assert!(!page.contains(reference), "{reference}");
    }
    for tag in tags(&page) {
        if let Some((_, target)) = tag.split_once("href=\"") {
            assert!(target.starts_with('#'), "{tag}");
        }
    }
}

#[test]
fn every_link_within_the_page_has_its_target() {
    for page in [report("text", 20).to_html(), Report::new("", TimeZone::UTC).to_html()] {
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!(" id=\"{target}\"")), "{target}");
        }
    }
}

#[test]
fn all_sections_are_there_and_say_what_they_stand_on() {
    let page = report("text", 20).to_html();
    for section in ["summary", "over-time", "top", "systems", "connections", "exporters"] {
        assert!(page.contains(&format!("<section id=\"{section}\"")), "{section}");
    }
    // A figure for each timeline, ranking, direction, and one for connections and for exporters.
    assert_eq!(page.matches("<p class=\"basis\">").count(), 7 + 8 + 2 + 1 + 1);
    for basis in page.split("<p class=\"basis\">").skip(1) {
        let basis = basis.split("</p>").next().unwrap_or_default();
        assert!(basis.contains("Flows with: text."), "{basis}");
        assert!(basis.contains("1970-01-01 00:00 to 1970-01-02 00:00 (UTC)."), "{basis}");
        let correction =
            ["Corrected for sampling of 1:1 to 1:1,000.", "Scaled to the interfaces&#39; counters (SNMP)."];
        assert!(correction.iter().any(|correction| basis.contains(correction)), "{basis}");
    }
}

#[test]
fn no_data_makes_a_page_that_says_so() {
    let page = Report::new("Nothing", TimeZone::UTC).to_html();
    assert!(page.contains("There are no flows"));
    assert!(page.contains("No exporter was heard"));
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn numbers_at_the_ends_of_their_ranges_make_a_page() {
    let mut report = report("text", 3);
    let most = Amount { bytes: u64::MAX, packets: u64::MAX, flows: u64::MAX };
    report.totals.amount = most;
    report.basis.from = Some(Timestamp::from_nanos(i64::MIN));
    report.basis.to = Some(Timestamp::from_nanos(i64::MAX));
    report.timelines[0].start = Timestamp::from_nanos(i64::MIN);
    report.timelines[0].step = Duration::MAX;
    report.timelines[1].step = Duration::ZERO;
    report.timelines[2].series[0].bytes = vec![u64::MAX; 3];
    report.timelines[3].series.clear();
    report.timelines[3].rest = None;
    report.rankings[0].rows[0].amount = most;
    report.systems_by_interface[0].interfaces[0].1 = vec![u64::MAX; 30];
    report.systems_by_interface[1].interfaces.clear();
    report.connections.rows[0].duration = Duration::MAX;
    let page = report.to_html();
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn the_largest_page_is_below_two_megabytes() {
    // As many buckets and connections as the command asks for, and texts that are longer than most.
    let page = report("2001:db8:1234:5678:9abc:def0:1234:5678", 500).to_html();
    assert!(page.len() < 2_000_000, "{}", page.len());
}
