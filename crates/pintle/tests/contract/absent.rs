//! What this build was built without, and says so when it is asked for it.

#[cfg(not(feature = "nats"))]
mod nats {
    use crate::harness::server::Launch;

    #[test]
    fn a_build_without_nats_says_so() {
        let output = Launch::devices().arg("--nats=nats.yaml").output();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("built without NATS") && said.contains("--features nats"), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}

#[cfg(not(feature = "otel"))]
mod traces {
    use crate::harness::server::Launch;

    #[test]
    fn a_build_without_traces_says_so() {
        let output = Launch::devices().arg("--otel-endpoint=http://127.0.0.1:4318").output();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("built without") && said.contains("--features otel"), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }

    /// A machine may have such a variable for other programs.
    #[tokio::test]
    async fn the_variables_of_opentelemetry_stop_no_build() {
        let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let launch = Launch::devices().variable(variable, "http://127.0.0.1:4318");
        let server = launch.start().await;
        server.get("/devices/dev-123").await.expect(200);
        let said = server.stderr();
        assert!(said.contains("built without") && said.contains(variable), "{said}");
    }
}
