// Everything that Heliograph needs in a subscription, in one resource group.
//
//   documents     Cosmos DB: messages, attempts, settings
//   queues        Service Bus: work
//   bodies        Blob Storage: payloads too large for a document
//   keys          Key Vault: what endpoint secrets are encrypted under, and the secret that signs tokens
//   telemetry     Log Analytics and Application Insights
//   host          Storage of the Functions host: its locks, the package, histories of orchestrations
//   app           the function app, which starts when everything else and its roles are there
//
// One managed identity signs in everywhere, by the roles that stand with each resource. Keys, connection strings and
// shared access are switched off. Deploying again changes what differs and removes nothing.

targetScope = 'resourceGroup'

@description('What the names of the resources begin with: lower-case letters.')
@minLength(3)
@maxLength(10)
param name string = 'heliograph'

@description('The region of everything.')
param location string = resourceGroup().location

@description('Signs tokens: a secret text of 32 characters or more, or a key in PEM form. Needed the first time; if it is empty, the one in the vault stays.')
@secure()
param jwtSecret string = ''

@description('How tokens are signed.')
@allowed(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'EdDSA'])
param jwtAlgorithm string = 'HS256'

@description('The most request units a second of each container of Cosmos DB, which scales down to a tenth of it when idle; 0 has an account without reserved throughput (serverless). It cannot be changed from or to 0 later.')
@minValue(0)
param cosmosThroughput int = 0

@description('Standard carries up to about 500 messages a second, Premium more. It cannot be changed later.')
@allowed(['Standard', 'Premium'])
param serviceBusTier string = 'Standard'

@description('Whether what is stored lies in three zones of the region, which has to have them. It cannot be changed later.')
param zoneRedundant bool = false

@description('The memory of an instance of the app, in MB. A processor goes with each 2,048 MB.')
@allowed([2048, 4096])
param instanceMemoryMB int = 2048

@description('The most instances of the app.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

@description('Instances that wait for HTTP requests and are paid for without any; 0 has the first request after a rest wait for a start.')
@minValue(0)
@maxValue(20)
param readyInstances int = 0

@description('Further settings of the app by name, such as HELIOGRAPH_RETRY_SCHEDULE. None of them is secret.')
param settings object = {}

// What the app writes to standard error its host would tell Application Insights, too: everything twice.
var usual = { HELIOGRAPH_TELEMETRY: 'application-insights' }
var unique = uniqueString(resourceGroup().id, name)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-app'
  location: location
}

module documents 'modules/documents.bicep' = {
  params: {
    name: '${name}-${unique}'
    location: location
    principalId: identity.properties.principalId
    throughput: cosmosThroughput
    zoneRedundant: zoneRedundant
  }
}

module queues 'modules/queues.bicep' = {
  params: {
    name: '${name}-${unique}'
    location: location
    principalId: identity.properties.principalId
    tier: serviceBusTier
  }
}

module bodies 'modules/storage.bicep' = {
  params: {
    name: 'bodies${unique}'
    location: location
    principalId: identity.properties.principalId
    zoneRedundant: zoneRedundant
    container: 'bodies'
    roles: ['ba92f5b4-2d11-453d-a403-e96b0029c9fe'] // Storage Blob Data Contributor
  }
}

module keys 'modules/keys.bicep' = {
  params: {
    name: '${name}${unique}'
    location: location
    principalId: identity.properties.principalId
    jwtSecret: jwtSecret
  }
}

module telemetry 'modules/telemetry.bicep' = {
  params: {
    name: '${name}-${unique}'
    location: location
    principalId: identity.properties.principalId
  }
}

module host 'modules/storage.bicep' = {
  params: {
    name: 'host${unique}'
    location: location
    principalId: identity.properties.principalId
    zoneRedundant: zoneRedundant
    container: 'package'
    roles: [
      'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
      '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
      '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
    ]
  }
}

module app 'modules/app.bicep' = {
  params: {
    name: '${name}-${unique}'
    location: location
    identityId: identity.id
    packageContainer: host.outputs.containerUrl
    instanceMemoryMB: instanceMemoryMB
    maximumInstances: maximumInstances
    readyInstances: readyInstances
    settings: union(usual, settings, {
      AZURE_CLIENT_ID: identity.properties.clientId
      HELIOGRAPH_COSMOS_ENDPOINT: documents.outputs.endpoint
      HELIOGRAPH_COSMOS_DATABASE: documents.outputs.database
      HELIOGRAPH_BLOB_ENDPOINT: bodies.outputs.blobEndpoint
      HELIOGRAPH_KEY_VAULT_KEY: keys.outputs.keyUrl
      HELIOGRAPH_JWT_SECRET: keys.outputs.jwtSecretReference
      HELIOGRAPH_JWT_ALGORITHM: jwtAlgorithm
      ServiceBus__fullyQualifiedNamespace: queues.outputs.fullyQualifiedNamespace
      ServiceBus__credential: 'managedidentity'
      ServiceBus__clientId: identity.properties.clientId
      // The page at / is the app's own.
      AzureWebJobsDisableHomepage: 'true'
      AzureWebJobsStorage__accountName: host.outputs.name
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.properties.clientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: telemetry.outputs.connectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identity.properties.clientId}'
    })
  }
}

output url string = app.outputs.url
output appName string = app.outputs.name
output cosmosAccount string = documents.outputs.name
output serviceBusNamespace string = queues.outputs.name
output keyVault string = keys.outputs.name
