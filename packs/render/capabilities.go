package render

import (
	"slices"
	"strings"
)

// capabilities are what templates see as .Capabilities. There is no cluster, so it is a recent one
// without extensions, as in "helm template".
type capabilities struct {
	KubeVersion kubeVersion
	APIVersions apiVersions
	HelmVersion helmVersion
}

type kubeVersion struct{ Version, Major, Minor string }

// String returns the version with a leading v.
func (v kubeVersion) String() string { return v.Version }

// GitVersion returns the version with a leading v, for old templates.
func (v kubeVersion) GitVersion() string { return v.Version }

type helmVersion struct{ Version, GitCommit, GitTreeState, GoVersion string }

type apiVersions []string

// Has reports whether the cluster has a version such as apps/v1.
func (v apiVersions) Has(version string) bool { return slices.Contains(v, version) }

func clusterCapabilities() capabilities {
	return capabilities{
		KubeVersion: kubeVersion{Version: "v1.37.0", Major: "1", Minor: "37"},
		APIVersions: strings.Fields(kubernetesAPIs),
		HelmVersion: helmVersion{Version: "v4.3"},
	}
}

// kubernetesAPIs are the versions that helm v4.3.1 knows without a cluster.
const kubernetesAPIs = `
v1
admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1alpha1 admissionregistration.k8s.io/v1beta1
internal.apiserver.k8s.io/v1alpha1
apps/v1 apps/v1beta1 apps/v1beta2
authentication.k8s.io/v1 authentication.k8s.io/v1alpha1 authentication.k8s.io/v1beta1
authorization.k8s.io/v1 authorization.k8s.io/v1beta1
autoscaling/v1 autoscaling/v2
batch/v1 batch/v1beta1
certificates.k8s.io/v1 certificates.k8s.io/v1beta1 certificates.k8s.io/v1alpha1
coordination.k8s.io/v1alpha2 coordination.k8s.io/v1beta1 coordination.k8s.io/v1
discovery.k8s.io/v1 discovery.k8s.io/v1beta1
events.k8s.io/v1 events.k8s.io/v1beta1
extensions/v1beta1
flowcontrol.apiserver.k8s.io/v1 flowcontrol.apiserver.k8s.io/v1beta1
flowcontrol.apiserver.k8s.io/v1beta2 flowcontrol.apiserver.k8s.io/v1beta3
lifecycle.k8s.io/v1alpha1
networking.k8s.io/v1 networking.k8s.io/v1beta1
node.k8s.io/v1 node.k8s.io/v1alpha1 node.k8s.io/v1beta1
policy/v1 policy/v1beta1
rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1 rbac.authorization.k8s.io/v1alpha1
resource.k8s.io/v1 resource.k8s.io/v1beta2 resource.k8s.io/v1beta1 resource.k8s.io/v1alpha3
scheduling.k8s.io/v1alpha3 scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1
storage.k8s.io/v1beta1 storage.k8s.io/v1 storage.k8s.io/v1alpha1
storagemigration.k8s.io/v1 storagemigration.k8s.io/v1beta1
apiextensions.k8s.io/v1beta1 apiextensions.k8s.io/v1
`
