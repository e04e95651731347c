//! What a handler has at hand beside the state.

use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use super::World;
use crate::HttpQuestion;

/// A question on its route. It is used as the [`HttpQuestion`] that it is.
pub struct Call<'a, S> {
    pub(super) question: &'a HttpQuestion,
    pub(super) parameters: Vec<(&'static str, &'a str)>,
    pub(super) world: &'a Arc<World<S>>,
}

impl<S: Send + 'static> Call<'_, S> {
    /// What stands in the path where the route has this name in braces, as it came; empty where it has none.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The time in the simulated world.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.world.clock.now()
    }

    /// Does this when the clock shows that time: goes there, or is put there. Never, if the server ends before.
    pub fn later(&self, at: SystemTime, work: impl FnOnce(&mut S) + Send + 'static) {
        let world = Arc::clone(self.world);
        tokio::spawn(async move {
            world.clock.reached(at).await;
            work(&mut world.state());
        });
    }
}

impl<S> Deref for Call<'_, S> {
    type Target = HttpQuestion;

    fn deref(&self) -> &HttpQuestion {
        self.question
    }
}

impl<S> std::fmt::Debug for Call<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("target", &self.question.target).finish_non_exhaustive()
    }
}
