// Makes one call through grpc-js's own xDS client and prints what the backend says.
//
// Usage: NODE_PATH=.../node_modules GRPC_XDS_BOOTSTRAP=FILE node grpc_call.js xds:///HOSTNAME:PORT
'use strict';

const grpc = require('@grpc/grpc-js');
require('@grpc/grpc-js-xds').register();

const octets = (message) => message;
const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
client.makeUnaryRequest('/example.Echo/Say', octets, octets, Buffer.from('hello'),
                        {deadline: Date.now() + 20000}, (error, reply) => {
  console.log(error ? `failed ${error.code} ${error.details}` : reply.toString());
  process.exit(error ? 1 : 0);
});
