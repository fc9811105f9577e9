// <ldns/ldns.h> without its macros `true`, `false` and `bool`. The one way to include ldns.
#pragma once

#include <ldns/ldns.h>

#undef true
#undef false
#undef bool
