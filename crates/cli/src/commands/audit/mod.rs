//! `cloakroom audit`: what keeps pages out of the page cache.
//!
//! Asked with addresses it looks at the site as a visitor without cookies does ([`http`]); asked with folders it reads the
//! source ([`source`]). Both end in one report, and in exit code 1 when something was found.

pub mod cookies;
mod progress;
pub mod sarif;
pub mod source;

use std::path::PathBuf;

use serde::Serialize;

use crate::args::{AuditArgs, FailOn};
use crate::out::Out;
use crate::{Failure, Outcome};

#[derive(Debug, Serialize)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<source::Document>,
}

pub(super) fn run(args: &AuditArgs, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let folders: Vec<PathBuf> = args.what.iter().map(PathBuf::from).collect();
    let progress = progress::Progress::of_this_process();
    let report = (!folders.is_empty()).then(|| source::audit(&folders, &args.exclude, &progress));
    let bad = report.as_ref().is_some_and(|r| match args.fail_on {
        FailOn::EveryRequest => r.every().count() > 0,
        FailOn::Start => r.starts().count() > 0,
        FailOn::Any => !r.findings.is_empty(),
    });
    if args.sarif {
        let findings: Vec<_> = report.iter().flat_map(source::results).collect();
        out.document(&sarif::document(&findings))?;
    } else if out.json {
        out.document(&Document { source: report.as_ref().map(source::document) })?;
    } else if let Some(report) = &report {
        source::print(report, out)?;
    }
    Ok(if bad { Outcome::Not } else { Outcome::Fine })
}
