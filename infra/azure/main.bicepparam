using 'main.bicep'

// Needed the first time, and to change it: HELIOGRAPH_JWT_SECRET="$(openssl rand -base64 32)"
param jwtSecret = readEnvironmentVariable('HELIOGRAPH_JWT_SECRET', '')

// The rest has defaults, which main.bicep explains. Such as:
// param cosmosThroughput = 4000
// param readyInstances = 1
// param settings = { HELIOGRAPH_ENDPOINT_HTTPS_ONLY: 'true' }
