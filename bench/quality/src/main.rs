//! `trailsight-quality --help` says what it does.

fn main() -> anyhow::Result<()> {
    trailsight_quality::run()
}
