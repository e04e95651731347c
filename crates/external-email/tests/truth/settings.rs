//! How the provider is to be set up for a recorded call.

use external_contract::truth::{Recording, skipped};
use external_email::providers::sendgrid::{SendgridConfig, UnsubscribeGroup};
use serde_json::Value;

use crate::given::{Found, Given};
use crate::meaning::recorded_body;

/// The SDK's own settings, and those that it is told with every mail.
pub(crate) fn settings(recording: &Recording, given: &mut Given) -> Found<SendgridConfig> {
    let mut config = SendgridConfig::new(recording.input("api_key")?.to_owned());
    let input = |names: [&str; 3]| {
        names.into_iter().find_map(|name| recording.inputs.get(name).and_then(Value::as_str))
    };
    if let Some(subuser) = input(["impersonate_subuser", "on_behalf_of", "subuser"]) {
        config = config.with_on_behalf_of(subuser);
    }
    if let Some(url) = input(["base_url", "endpoint", "host"]) {
        let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        config = config.with_base_url(url);
    } else if input(["region", "data_residency", "residency"]) == Some("eu") {
        config = config.with_base_url(SendgridConfig::EU_BASE_URL);
    }
    // In the call by themselves, or as they stand in the body.
    let mut mail = given.object("mail_settings")?;
    if let Some(sandbox) = either(mail.switch("sandbox_mode")?, given.switch("sandbox_mode")?) {
        config = config.with_sandbox(sandbox);
    }
    mail.done()?;
    let mut tracking = given.object("tracking_settings")?;
    if let Some(clicks) = either(tracking.switch("click_tracking")?, given.switch("click_tracking")?) {
        let in_text = recorded_body(recording)?["tracking_settings"]["click_tracking"]["enable_text"].clone();
        if in_text.as_bool().unwrap_or_default() != clicks {
            return Err(skipped(
                "`click_tracking.enable_text`: the provider counts clicks in text as in HTML",
            ));
        }
        config = config.with_click_tracking(clicks);
    }
    if let Some(opens) = either(tracking.switch("open_tracking")?, given.switch("open_tracking")?) {
        config = config.with_open_tracking(opens);
    }
    tracking.done()?;
    if let Some(pool) = given.text("ip_pool_name")? {
        config = config.with_ip_pool(pool);
    }
    let mut asm = given.object("asm")?;
    let (group, shown) = (asm.number("group_id")?, asm.list("groups_to_display"));
    asm.done()?;
    match group {
        Some(id) => {
            let shown = shown.iter().filter_map(Value::as_u64).collect();
            Ok(config.with_unsubscribe_group(UnsubscribeGroup::new(id).with_display(shown)))
        }
        None if shown.is_empty() => Ok(config),
        None => Err(skipped("`asm.groups_to_display`: the provider shows groups beside a `group_id`")),
    }
}

fn either(in_the_body: Option<bool>, by_itself: Option<bool>) -> Option<bool> {
    in_the_body.or(by_itself)
}
