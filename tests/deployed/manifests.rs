//! Kubernetes manifests: strictly valid, and of one mind with the configuration and the rules they carry.

use std::path::Path;

use tempfile::TempDir;

use super::tools::{deploy, files, read, run, succeeds, text, tool};
use crate::product;

/// Kinds of the Prometheus operator, which Kubernetes itself does not know.
const OF_THE_OPERATOR: [&str; 2] = ["servicemonitor.yaml", "prometheusrule.yaml"];

#[test]
fn manifests_are_valid_and_a_misspelt_field_is_not() {
    let (Some(kubernetes), Some(schema)) = (tool("kubernetes-validate"), tool("check-jsonschema")) else { return };
    let folder = TempDir::new().expect("a folder");
    let operator = deploy("schemas/prometheus-operator.json");
    let judge = |file: &Path| {
        let name = file.file_name().expect("a name").to_string_lossy();
        if OF_THE_OPERATOR.contains(&name.as_ref()) {
            return run(&schema, ["--schemafile".as_ref(), operator.as_os_str(), file.as_os_str()]);
        }
        run(&kubernetes, ["--strict".as_ref(), file.as_os_str()])
    };
    for file in files("kubernetes", "yaml").iter().filter(|file| !file.ends_with("kustomization.yaml")) {
        let said = judge(file);
        assert_eq!(said.status, Some(0), "{}: {}{}", file.display(), said.stdout, said.stderr);
    }
    for (name, right, wrong) in [
        ("statefulset.yaml", "readOnlyRootFilesystem", "readonlyRootFilesystem"),
        ("servicemonitor.yaml", "targetLabel", "targetlabel"),
        ("prometheusrule.yaml", "annotations", "annotation"),
    ] {
        let file = folder.path().join(name);
        let spoiled = text(&format!("kubernetes/{name}")).replace(right, wrong);
        std::fs::write(&file, spoiled).expect("the folder can be written");
        assert_eq!(judge(&file).status, Some(1), "{name} with {wrong}");
    }
}

#[test]
fn every_manifest_is_part_of_the_whole() {
    let whole = text("kubernetes/kustomization.yaml");
    for file in files("kubernetes", "yaml").iter().filter(|file| !file.ends_with("kustomization.yaml")) {
        let name = file.file_name().expect("a name").to_string_lossy();
        assert!(whole.contains(&format!("- {name}\n")), "{name} is not in kustomization.yaml");
    }
    let rules = text("prometheus/rules.yml");
    let groups = rules.split_once("groups:\n").expect("groups").1;
    let wrapped = text("kubernetes/prometheusrule.yaml");
    let inner: String = wrapped
        .split_once("  groups:\n")
        .expect("groups")
        .1
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)))
        .collect();
    assert_eq!(inner, groups, "deploy/kubernetes/prometheusrule.yaml and deploy/prometheus/rules.yml");
}

/// The product takes the configuration of the ConfigMap, and the pod has the memory that it comes to.
#[test]
fn the_pod_has_room_for_its_configuration() {
    let folder = TempDir::new().expect("a folder");
    let map = text("kubernetes/configmap.yaml");
    let lines = map.split_once("trailsight.toml: |\n").expect("a configuration").1.lines();
    let mut config: String = lines.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    for (name, secret) in [
        ("viewer-token", "0123456789abcdef0123456789abcdef"),
        ("webhook-url", "https://hooks.example.com/x"),
        ("webhook-key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, secret).expect("the folder can be written");
        config = config.replace(&format!("/run/secrets/trailsight/{name}"), &file.display().to_string());
    }
    assert!(!config.contains("/run/secrets"), "a secret that docs/installing.md does not make:\n{config}");
    let file = folder.path().join("trailsight.toml");
    std::fs::write(&file, &config).expect("the folder can be written");
    // The pod has two cores, wherever this runs.
    let Some(taskset) = tool("taskset") else { return };
    let binary = product::binary().as_os_str();
    let check = ["-c".as_ref(), "0,1".as_ref(), binary, "check".as_ref(), "--config".as_ref(), file.as_os_str()];
    let said = succeeds(&taskset, check);
    let said = said.stdout + &said.stderr;
    let total =
        said.lines().find_map(|line| line.strip_prefix('#')?.strip_suffix("in all")?.trim().strip_suffix("MiB"));
    let total: f64 = total.unwrap_or_else(|| panic!("no bound:\n{said}")).trim().parse().expect("a number");
    let pod = text("kubernetes/statefulset.yaml");
    let limit = pod.split_once("limits: { cpu: \"2\", memory: ").expect("a limit").1;
    let limit: f64 = limit.split_once("Gi").expect("in Gi").0.parse().expect("a number");
    assert!(total < limit * 1024.0, "the configuration may need {total} MiB, the pod has {limit} GiB");
    assert!(total > limit * 512.0, "{limit} GiB is twice what it may need, {total} MiB");
}

/// What a hardened namespace demands of a pod, and what the image is made for.
#[test]
fn the_pod_has_no_privileges() {
    let pod = read(&deploy("kubernetes/statefulset.yaml"));
    for demanded in [
        "runAsNonRoot: true",
        "runAsUser: 65532",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "capabilities: { drop: [\"ALL\"] }",
        "seccompProfile: { type: RuntimeDefault }",
        "automountServiceAccountToken: false",
    ] {
        assert!(pod.contains(demanded), "{demanded}");
    }
    assert!(text("container/Containerfile").contains("USER 65532:65532"));
}
