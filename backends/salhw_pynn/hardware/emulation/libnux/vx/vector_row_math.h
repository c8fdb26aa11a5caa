#include "../../ppu.h"
