//! `cloakroom_rules()` and `cloakroom_settings()`.

use std::sync::Arc;

use cloakroom::{Concurrency, PayloadMerge};
use cloakroom_format::Rules;

use super::Call;
use super::values::{Value, text_at};
use crate::door::Door;
use crate::settings::IdShape;
use crate::worker::Site;

impl Door {
    /// The site with the rules that the application has added in this request.
    pub(in crate::door) fn with_rules(&self, site: Arc<Site>) -> Arc<Site> {
        if self.request.rules.is_empty() {
            return site;
        }
        let rules = site.settings.rules.clone().and(&self.request.rules);
        let engine = site.engine.sibling().merge(Arc::new(PayloadMerge::new(rules))).build();
        Arc::new(Site { settings: site.settings.clone(), engine })
    }
}

impl Call<'_, '_> {
    pub(super) fn rules(&mut self) -> Value {
        let rules = match Rules::parse(&String::from_utf8_lossy(text_at(self.given, 0))) {
            Ok(rules) => rules,
            Err(error) => {
                self.refuse(error.to_string());
                return Value::Bool(false);
            }
        };
        let Some(site) = self.site() else { return Value::Bool(false) };
        let request = &mut self.door.request;
        request.rules = std::mem::take(&mut request.rules).and(&rules);
        if request.site.is_some() {
            let site = self.door.with_rules(site);
            self.door.request.site = Some(site);
        }
        Value::Bool(true)
    }

    pub(super) fn settings(&mut self) -> Value {
        let Some(site) = self.site() else { return Value::Map(Vec::new()) };
        let settings = &site.settings;
        let about = site.engine.store().describe();
        let seconds = |time: std::time::Duration| Value::text(format!("{}", time.as_secs_f64()));
        let optional = |time: Option<std::time::Duration>| Value::maybe(time.map(seconds));
        let php = |ours: bool| Value::text(if ours { "1" } else { "php" });
        Value::Map(vec![
            ("engine", Value::text(about.engine)),
            ("store", Value::text(about.location)),
            ("namespace", Value::text(settings.namespace.as_bytes())),
            ("keys", Value::count(settings.ring.keys().len() as u64)),
            ("timeout", seconds(settings.timeout)),
            ("idle", seconds(settings.lifetime(self.raw.gc_maxlifetime).idle)),
            ("absolute", optional(settings.absolute)),
            ("grace", seconds(settings.policy.grace)),
            ("strict", php(settings.strict)),
            ("httponly", php(settings.httponly)),
            (
                "id_bits",
                match settings.id {
                    IdShape::Bits(bits) => Value::count(bits),
                    IdShape::Php => Value::text("php"),
                },
            ),
            ("on_failure", Value::text(if settings.error_page { "error" } else { "empty" })),
            ("max_size", Value::count(settings.policy.max_size.into())),
            ("conflict_log", Value::Bool(settings.conflict_log)),
            (
                "concurrency",
                Value::text(match settings.concurrency {
                    Concurrency::Lock => "lock",
                    _ => "merge",
                }),
            ),
            ("lock_wait", seconds(settings.waiting.wait)),
            ("lock_lease", seconds(settings.waiting.lease)),
            ("debug", Value::Bool(settings.debug)),
        ])
    }
}
