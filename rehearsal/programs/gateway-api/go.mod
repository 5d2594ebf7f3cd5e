// Not a program: the definitions of HTTPRoute, Gateway and their like.
module slipway/rehearsal/programs/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
