//! How the CRLs that are made here stand: lines of `stats`, and what an operator has to look at.

use indicatif::HumanCount;

use crate::authority::PublishedCrlStats;
use crate::catalog::crls::CrlKind;
use crate::publish::TargetHealth;

/// A name and a value for each CRL; shards together.
pub(in crate::cli) fn lines(crls: &[PublishedCrlStats]) -> Vec<(String, String)> {
    let is_shard = |crl: &&PublishedCrlStats| matches!(crl.kind, CrlKind::Shard(_));
    let single = crls.iter().filter(|crl| !is_shard(crl));
    let mut lines: Vec<(String, String)> = single
        .map(|crl| (format!("{} CRL", crl.kind), one(crl)))
        .collect();
    let shards: Vec<&PublishedCrlStats> = crls.iter().filter(is_shard).collect();
    if !shards.is_empty() {
        let entries = shards.iter().map(|crl| crl.entries).sum();
        let due = shards.iter().filter_map(|crl| crl.next_due.as_ref()).min();
        let made = shards.iter().filter(|crl| crl.number.is_some()).count();
        let value = format!(
            "{made} of {}, {} entries, next due {}",
            shards.len(),
            HumanCount(entries),
            due.map_or("now", String::as_str)
        );
        lines.push(("CRL shards".to_owned(), value));
    }
    lines
}

fn one(crl: &PublishedCrlStats) -> String {
    let (Some(number), Some(until), Some(due)) = (crl.number, &crl.next_update, &crl.next_due)
    else {
        return "none yet".to_owned();
    };
    let ended = if crl.ended { " (ENDED)" } else { "" };
    format!(
        "number {number}, {} entries, as of entry {}, until {until}{ended}, next due {due}",
        HumanCount(crl.entries),
        crl.as_of
    )
}

/// What an operator has to look at, and what to do.
pub(in crate::cli) fn problems(issuer: &str, crls: &[PublishedCrlStats]) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    for crl in crls {
        if let Some(problem) = &crl.problem {
            let served = match &crl.next_update {
                None => "none is served yet".to_owned(),
                Some(until) if crl.ended => {
                    format!("the one before ended at {until}, and clients get 503")
                }
                Some(until) => format!("the one before is served until {until}"),
            };
            let problem = format!("no CRL could be made the last time; {served}: {problem}");
            // Shards fail together.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        } else if crl.ended {
            problems.push(format!(
                "issuer {issuer:?}: its {} CRL has ended, clients get 503, and the next is not made: see \
                 the log",
                crl.kind
            ));
        }
    }
    problems
}

/// A name and a value for each target.
pub(in crate::cli) fn target_lines(targets: &[TargetHealth]) -> Vec<(String, String)> {
    let line = |target: &TargetHealth| {
        let last = target
            .last_success
            .map_or_else(|| "nothing yet".to_owned(), |last| last.0.to_string());
        let lag = match target.lag_s {
            0 => String::new(),
            lag => format!(", behind for {lag} s"),
        };
        let remark = target.remark.iter().map(|remark| format!(" ({remark})"));
        let remark: String = remark.collect();
        let value = format!("{}, last brought {last}{lag}{remark}", target.kind);
        (format!("target {}", target.name), value)
    };
    targets.iter().map(line).collect()
}

/// What an operator has to look at of the targets, and what to do.
pub(in crate::cli) fn target_problems(targets: &[TargetHealth]) -> Vec<String> {
    let failing = targets.iter().filter_map(|target| {
        let error = target.error.as_ref()?;
        Some(format!(
            "target {:?}: CRLs were not brought there in {} tries, the last: {error}",
            target.name, target.failures
        ))
    });
    failing.collect()
}
