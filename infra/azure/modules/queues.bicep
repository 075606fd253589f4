// Service Bus: the namespace, and the queues that the adapters describe.

param name string
param location string

@description('Who sends and receives, and looks how long the queues are.')
param principalId string

@description('Standard or Premium.')
param tier string

var deployed = loadJsonContent('../../../shared/adapters/servicebus/queues.json')
var dataOwner = '090c5cfd-751d-490a-894a-3ce6f1109419' // Azure Service Bus Data Owner

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  sku: { name: tier, tier: tier }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
  }
}

resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [
  for queue in deployed.queues: {
    parent: namespace
    name: queue
    properties: {
      lockDuration: deployed.lockDuration
      maxDeliveryCount: deployed.maxDeliveryCount
      // As much as there is: in an outage retries wait here.
      maxSizeInMegabytes: 5120
      requiresSession: false
      requiresDuplicateDetection: false
      deadLetteringOnMessageExpiration: false
    }
  }
]

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace
  name: guid(namespace.id, principalId, dataOwner)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataOwner)
  }
}

output name string = namespace.name
output fullyQualifiedNamespace string = split(split(namespace.properties.serviceBusEndpoint, '://')[1], ':')[0]
