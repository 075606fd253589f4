// Cosmos DB: the account, its database, and the containers that the adapters describe.

param name string
param location string

@description('Who reads and writes documents.')
param principalId string

@description('The most request units a second of each container; 0 for a serverless account.')
param throughput int

param zoneRedundant bool

var deployed = loadJsonContent('../../../shared/adapters/cosmos/containers.json')
var dataContributor = '00000000-0000-0000-0000-000000000002' // Cosmos DB Built-in Data Contributor
var perDocument = -1 // a document says itself when it ends, if it does

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' = {
  name: name
  location: location
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: zoneRedundant }]
    capabilities: throughput == 0 ? [{ name: 'EnableServerless' }] : []
    // A write that the client repeats is recognized by what it reads then, so nothing older may be read.
    consistencyPolicy: { defaultConsistencyLevel: 'Strong' }
    disableLocalAuth: true
    // Databases and containers are made here and nowhere else.
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-11-15' = {
  parent: account
  name: deployed.database
  properties: {
    resource: { id: deployed.database }
  }
}

resource containers 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = [
  for container in deployed.containers: {
    parent: database
    name: container.name
    properties: {
      options: throughput == 0 ? {} : { autoscaleSettings: { maxThroughput: throughput } }
      resource: {
        id: container.name
        partitionKey: { paths: [container.partitionKey], kind: 'Hash', version: 2 }
        defaultTtl: perDocument
        indexingPolicy: {
          indexingMode: 'consistent'
          automatic: true
          includedPaths: map(flatten(map(container.indexed, group => group.paths)), path => { path: path })
          excludedPaths: [{ path: '/*' }]
          compositeIndexes: map(container.sorted, group => map(group.paths, path => { path: path, order: 'ascending' }))
        }
      }
    }
  }
]

// A role of Cosmos DB itself.
resource role 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = {
  parent: account
  name: guid(account.id, principalId, dataContributor)
  properties: {
    principalId: principalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}

output name string = account.name
output endpoint string = account.properties.documentEndpoint
output database string = deployed.database
