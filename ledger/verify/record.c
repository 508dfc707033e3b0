#include "ledger/verify/sillok.h"
