#ifndef MOECOSIM_QUIET_ROUTER_H
#define MOECOSIM_QUIET_ROUTER_H

#pragma GCC system_header  // merlin's header has unused parameters
#include <sst/elements/merlin/router.h>

#endif
