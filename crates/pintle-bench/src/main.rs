//! `pintle-bench`: load for Pintle servers, with what it is compared to run beside it.
//!
//! An absolute rate says more about the machine than about the server, so the suite prints ratios:
//! the same generator against a plain hyper server that answers a constant ([`constant`]), the
//! store with nobody in front of it, and the server, one right after the other. Client and server
//! share the cores; what each of them costs is measured ([`usage`]) and printed beside every rate.
//!
//! The files from the bottom up: [`histogram`], [`target`], [`connection`] (one hyper connection),
//! [`device`] and [`documents`] (bodies), [`collection`] (paths, for each door), [`operation`]
//! (requests), [`objects`] (creating and deleting), [`load`] (a closed loop), [`watch`] (fan-out),
//! [`store`] (the store alone), [`server`] (child processes), [`scenario`] (one measurement),
//! [`suite`], [`overhead`], [`tls`], [`graphql`] and [`definitions`] (comparisons).

mod args;
mod collection;
mod commands;
mod connection;
mod constant;
mod definitions;
mod device;
mod documents;
mod endpoint;
mod error;
mod graphql;
mod histogram;
mod instructions;
mod load;
mod objects;
mod operation;
mod output;
mod overhead;
mod report;
mod scenario;
mod server;
mod session;
mod store;
mod suite;
mod target;
mod tls;
mod usage;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;

/// What a Pintle server allocates with, here for the constant server's sake.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a Pintle server runs on two cores, for generator and constant server alike.
const RUNTIME_THREADS: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli.command)),
        Err(source) => Err(error::BenchError::io("cannot start the runtime", source)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::progress(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
