// Not a program: the projects whose custom resource definitions the charts' objects are checked against.
module slipway/tools/crds

go 1.26.6

require (
	github.com/aws/karpenter-provider-aws v1.14.1
	github.com/kedacore/keda/v2 v2.20.2
	github.com/kserve/kserve v0.20.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
	sigs.k8s.io/karpenter v1.14.1
)
