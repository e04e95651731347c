//! Somebody proves a contract of their own, with a provider that keeps it and one that does not.
//!
//! ```text
//! kept: 1 passed, 0 failed, 0 unsupported, 0 not run
//! broken: 0 passed, 1 failed, 0 unsupported, 0 not run
//! ```

use std::sync::Arc;

use external_contract::external_core::{
    CallContext, Capabilities, Capability, Provider, ProviderInfo, Result, async_trait,
};
use external_contract::{Harness, Suite, clause, ensure_eq, verify};

#[derive(Debug)]
struct Greeter(ProviderInfo);

#[async_trait]
impl Provider for Greeter {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

fn main() {
    for (name, location) in [("kept", "here:"), ("broken", "nowhere:")] {
        let suite =
            Suite::<dyn Provider>::of_contract("greeting", &[], |_, _| Capability::Unsupported, vec![])
                .only(&[])
                .with(clause!("greeting.info.1", "A greeter says where it is.", |case| {
                    ensure_eq("the location", case.service().info().location(), "here:")?;
                }));
        let make = move || {
            let info = ProviderInfo::new("greeter", "greeting", location, Capabilities::new());
            Ok(Arc::new(Greeter(info)) as Arc<dyn Provider>)
        };
        println!("{name}: {}", verify(suite, vec![Harness::embedded("greeter", make)]));
    }
}
