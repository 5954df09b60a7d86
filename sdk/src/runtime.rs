//! Between the generated bindings and a [`Plugin`]: the one instance of a component.
use crate::bindings::exports::vespid::plugin::guest::Restored;
use crate::bindings::vespid::plugin::describe;
use crate::bindings::vespid::plugin::{events, reports};
use crate::{Batch, Filter, Plugin, Registry, Report, config};

/// A plugin and its metrics; what the exported functions work on.
pub struct Instance<P> {
    registry: Registry,
    plugin: Option<P>,
}

impl<P> Default for Instance<P> {
    fn default() -> Self {
        Instance {
            registry: Registry::default(),
            plugin: None,
        }
    }
}

const NOT_STARTED: &str = "the plugin has not been initialised";

impl<P: Plugin> Instance<P> {
    /// `describe`
    pub fn describe() -> describe::Manifest {
        let registry = Registry::default();
        let _ = P::metrics(&registry);
        let manifest = P::MANIFEST;
        describe::Manifest {
            name: manifest.name.to_owned(),
            version: manifest.version.to_owned(),
            description: manifest.description.to_owned(),
            subscription: manifest.subscription,
            metrics: registry.0.borrow().metrics().to_vec(),
            config_schema: config::schema::<P::Config>().as_value().to_string(),
            state_version: manifest.state_version,
            look_back: manifest.look_back,
        }
    }

    /// `init`
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn init(&mut self, config: &str) -> Result<(), String> {
        if self.plugin.is_some() {
            return Err("the plugin has been initialised already".to_owned());
        }
        log_panics();
        let config = config::parse(config)?;
        let metrics = P::metrics(&self.registry);
        self.plugin = Some(P::new(config, metrics)?);
        Ok(())
    }

    /// `filters`
    #[must_use]
    pub fn filters(&self) -> Vec<describe::Filter> {
        let filters = self.plugin.as_ref().map(Plugin::filters).unwrap_or_default();
        filters.into_iter().map(Filter::into_binding).collect()
    }

    /// `on-batch`
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn on_batch(&mut self, batch: &events::Batch) -> Result<reports::Report, String> {
        let plugin = self.plugin.as_mut().ok_or(NOT_STARTED)?;
        let mut report = Report::default();
        plugin.on_batch(Batch::new(batch), &mut report)?;
        Ok(self.finish(report))
    }

    /// `tick`
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn tick(&mut self, now: u64) -> Result<reports::Report, String> {
        let plugin = self.plugin.as_mut().ok_or(NOT_STARTED)?;
        let mut report = Report::default();
        plugin.tick(now, &mut report)?;
        Ok(self.finish(report))
    }

    fn finish(&self, report: Report) -> reports::Report {
        if report.dropped > 0 {
            crate::log::warn(&format!(
                "{} verdicts of one call were too many and have been dropped",
                report.dropped
            ));
        }
        let mut report = reports::Report {
            verdicts: report.verdicts,
            ..Default::default()
        };
        self.registry.0.borrow_mut().flush(&mut report);
        report
    }

    /// `snapshot`
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.plugin.as_ref().map(Plugin::snapshot).unwrap_or_default()
    }

    /// `restore`
    pub fn restore(&mut self, version: u32, state: &[u8]) -> Restored {
        self.plugin
            .as_mut()
            .map_or(Restored::Cold, |plugin| plugin.restore(version, state))
    }
}

/// A panic reaches the daemon as a bare trap; its words have to go another way.
fn log_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
}

/// Makes a [`Plugin`] the component's plugin. Built for anything but WebAssembly it does nothing: native linkers refuse
/// the names of a component's exports.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::exports::vespid::plugin::guest;

            struct Component;

            thread_local! {
                static INSTANCE: ::std::cell::RefCell<$crate::runtime::Instance<$plugin>> = ::std::default::Default::default();
            }

            impl guest::Guest for Component {
                fn describe() -> guest::Manifest {
                    $crate::runtime::Instance::<$plugin>::describe()
                }

                fn init(config: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                    INSTANCE.with_borrow_mut(|instance| instance.init(&config))
                }

                fn filters() -> ::std::vec::Vec<guest::Filter> {
                    INSTANCE.with_borrow(|instance| instance.filters())
                }

                fn on_batch(batch: guest::Batch) -> ::std::result::Result<guest::Report, ::std::string::String> {
                    INSTANCE.with_borrow_mut(|instance| instance.on_batch(&batch))
                }

                fn tick(now: u64) -> ::std::result::Result<guest::Report, ::std::string::String> {
                    INSTANCE.with_borrow_mut(|instance| instance.tick(now))
                }

                fn snapshot() -> ::std::vec::Vec<u8> {
                    INSTANCE.with_borrow(|instance| instance.snapshot())
                }

                fn restore(version: u32, state: ::std::vec::Vec<u8>) -> guest::Restored {
                    INSTANCE.with_borrow_mut(|instance| instance.restore(version, &state))
                }
            }

            $crate::bindings::export_guest!(Component with_types_in $crate::bindings);
        };
    };
}
