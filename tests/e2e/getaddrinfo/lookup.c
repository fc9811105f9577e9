// What a C library's resolver makes of a name: prints each address once, one a line, or the error.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s NAME\n", argv[0]);
    return 2;
  }
  // One socket type, so that each address comes once; no AI_ADDRCONFIG, so that both families are
  // asked for whatever addresses the machine has.
  struct addrinfo hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  struct addrinfo* found = NULL;
  const int error = getaddrinfo(argv[1], NULL, &hints, &found);
  if (error == EAI_NONAME) {
    puts("no such name");
  } else if (error == EAI_AGAIN) {
    puts("try again");
  } else if (error != 0) {
    printf("error: %s\n", gai_strerror(error));
  }
  for (const struct addrinfo* each = found; each != NULL; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void* address = each->ai_family == AF_INET
                              ? (const void*)&((const struct sockaddr_in*)each->ai_addr)->sin_addr
                              : (const void*)&((const struct sockaddr_in6*)each->ai_addr)->sin6_addr;
    puts(inet_ntop(each->ai_family, address, text, sizeof text));
  }
  return 0;
}
