//! Configuration of the provider `sendgrid`.

use std::sync::Arc;
use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::config::duration;
use external_core::http::HttpTransport;
use external_core::{BuildContext, Error, Result, Secret};
use external_http::BearerAuth;
use external_http::vendor::{Link, Vendor};
use schemars::JsonSchema;
use serde::Deserialize;

use super::SendgridEmail;
use super::api::Api;
use super::error::explained;
use super::limits::{CATEGORIES, CATEGORY};
use super::wire::{Asm, ClickTracking, MailSettings, Settings, Switch, TrackingSettings};

/// `provider = "sendgrid"`: Twilio SendGrid, by its v3 Web API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SendgridConfig {
    /// The API key (`SG.…`), with the permission `mail.send`; cancellations need `user.scheduled_sends` too. Read with every
    /// request, so a changed file is taken up.
    pub api_key: Secret,
    /// Where SendGrid is. Default: `https://api.sendgrid.com`; subusers in the EU need `https://api.eu.sendgrid.com`.
    #[serde(default = "default_base")]
    pub base_url: String,
    /// Allows a `base_url` with `http://` on another machine, where everyone on the way can read key and mails. Default:
    /// false.
    #[serde(default)]
    pub insecure_http: bool,
    /// The subuser who sends (`On-Behalf-Of`). Default: the key's own account.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
    /// Sandbox mode: mails are checked, and none is delivered. Default: false.
    #[serde(default)]
    pub sandbox: bool,
    /// Categories of every mail, before its own tags. At most 10, each of at most 255 characters. Default: none.
    #[serde(default)]
    pub categories: Vec<String>,
    /// The pool of IP addresses that mails leave from, 2 to 64 characters. Default: the account's.
    #[serde(default)]
    pub ip_pool: Option<String>,
    /// The group that a recipient unsubscribes from. Default: none.
    #[serde(default)]
    pub unsubscribe_group: Option<UnsubscribeGroup>,
    /// Whether links are rewritten to count clicks, in HTML and text. Default: as the account says.
    #[serde(default)]
    pub click_tracking: Option<bool>,
    /// Whether an image counts when a mail is opened. Default: as the account says.
    #[serde(default)]
    pub open_tracking: Option<bool>,
    /// How long connecting may take, TLS included. Default: 10 s.
    #[serde(default = "default_connect", with = "duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// TLS settings. Default: those of the container.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

/// The group that a recipient unsubscribes from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UnsubscribeGroup {
    /// Its number.
    pub id: u64,
    /// The groups that the page of preferences shows, at most 25. Default: all.
    #[serde(default)]
    pub display: Vec<u64>,
}

impl UnsubscribeGroup {
    /// The group of this number; the page of preferences shows all.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self { id, display: Vec::new() }
    }

    /// The page of preferences shows these groups.
    #[must_use]
    pub fn with_display(mut self, groups: Vec<u64>) -> Self {
        self.display = groups;
        self
    }
}

fn default_base() -> String {
    SendgridConfig::BASE_URL.to_owned()
}

fn default_connect() -> Duration {
    Duration::from_secs(10)
}

impl SendgridConfig {
    /// Where SendGrid is.
    pub const BASE_URL: &'static str = "https://api.sendgrid.com";
    /// Where it is for subusers in the EU.
    pub const EU_BASE_URL: &'static str = "https://api.eu.sendgrid.com";

    /// With this API key.
    #[must_use]
    pub fn new(api_key: impl Into<Secret>) -> Self {
        Self {
            api_key: api_key.into(),
            base_url: default_base(),
            insecure_http: false,
            on_behalf_of: None,
            sandbox: false,
            categories: Vec::new(),
            ip_pool: None,
            unsubscribe_group: None,
            click_tracking: None,
            open_tracking: None,
            connect_timeout: default_connect(),
            tls: None,
        }
    }

    /// Replaces where SendGrid is.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Allows `http://` to another machine, where everyone on the way can read key and mails.
    #[must_use]
    pub fn with_insecure_http(mut self) -> Self {
        self.insecure_http = true;
        self
    }

    /// Sends for this subuser.
    #[must_use]
    pub fn with_on_behalf_of(mut self, subuser: impl Into<String>) -> Self {
        self.on_behalf_of = Some(subuser.into());
        self
    }

    /// Switches sandbox mode.
    #[must_use]
    pub fn with_sandbox(mut self, sandbox: bool) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// Adds a category to every mail.
    #[must_use]
    pub fn with_category(mut self, category: impl Into<String>) -> Self {
        self.categories.push(category.into());
        self
    }

    /// Replaces the pool of IP addresses.
    #[must_use]
    pub fn with_ip_pool(mut self, pool: impl Into<String>) -> Self {
        self.ip_pool = Some(pool.into());
        self
    }

    /// Replaces the group that a recipient unsubscribes from.
    #[must_use]
    pub fn with_unsubscribe_group(mut self, group: UnsubscribeGroup) -> Self {
        self.unsubscribe_group = Some(group);
        self
    }

    /// Switches the counting of clicks.
    #[must_use]
    pub fn with_click_tracking(mut self, enable: bool) -> Self {
        self.click_tracking = Some(enable);
        self
    }

    /// Switches the counting of opened mails.
    #[must_use]
    pub fn with_open_tracking(mut self, enable: bool) -> Self {
        self.open_tracking = Some(enable);
        self
    }

    /// Replaces how long connecting may take.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Replaces the TLS settings.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the provider. Connects to nobody.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that makes no sense.
    pub fn build(self, context: &BuildContext) -> Result<SendgridEmail> {
        let link = Link::own(self.connect_timeout, self.tls.clone(), context)?;
        self.build_on(link, context)
    }

    /// Makes the provider over a transport that exists already, which brings its own timeouts and TLS: one that is shared, or
    /// a double. Closing the provider leaves it open.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_over(
        self,
        transport: Arc<dyn HttpTransport>,
        context: &BuildContext,
    ) -> Result<SendgridEmail> {
        self.build_on(Link::lent(transport), context)
    }

    fn build_on(self, link: Link, context: &BuildContext) -> Result<SendgridEmail> {
        let settings = self.settings()?;
        let auth = BearerAuth::new(context.secret(&self.api_key)?).with_insecure_http(self.insecure_http);
        let vendor = Vendor::new("SendGrid", link, &self.base_url, auth)?.with_context(context);
        let mut vendor = vendor.with_errors(explained);
        if let Some(subuser) = &self.on_behalf_of {
            if subuser.is_empty() || !subuser.bytes().all(|b| (32..=126).contains(&b)) {
                return Err(wrong("on_behalf_of", "not the name of a subuser"));
            }
            vendor = vendor.with_header("on-behalf-of", subuser)?;
        }
        Ok(SendgridEmail::assemble(Api::new(vendor, self.sandbox), settings, context))
    }

    fn settings(&self) -> Result<Settings> {
        let too_long = |category: &String| category.is_empty() || category.chars().count() > CATEGORY;
        if self.categories.len() > CATEGORIES || self.categories.iter().any(too_long) {
            return Err(wrong("categories", "at most 10, each of 1 to 255 characters"));
        }
        if self.ip_pool.as_ref().is_some_and(|pool| !(2..=64).contains(&pool.chars().count())) {
            return Err(wrong("ip_pool", "a pool's name has 2 to 64 characters"));
        }
        if self.unsubscribe_group.as_ref().is_some_and(|group| group.display.len() > 25) {
            return Err(wrong("unsubscribe_group.display", "at most 25 groups are shown"));
        }
        let asm = self
            .unsubscribe_group
            .as_ref()
            .map(|group| Asm { group_id: group.id, groups_to_display: group.display.clone() });
        let tracking = TrackingSettings {
            click_tracking: self.click_tracking.map(|enable| ClickTracking { enable, enable_text: enable }),
            open_tracking: self.open_tracking.map(|enable| Switch { enable }),
        };
        let is_tracking_told = self.click_tracking.is_some() || self.open_tracking.is_some();
        Ok(Settings {
            categories: self.categories.clone(),
            ip_pool_name: self.ip_pool.clone(),
            asm,
            mail_settings: self.sandbox.then_some(MailSettings { sandbox_mode: Switch { enable: true } }),
            tracking_settings: is_tracking_told.then_some(tracking),
        })
    }
}

fn wrong(field: &'static str, why: &'static str) -> Error {
    Error::configuration(why).with_context("field", field)
}
